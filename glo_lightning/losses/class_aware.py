"""Losses that know how frequent the classes are: logit adjustment, class weights and margins around any loss."""

import sys
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import reduce_batch
from glo_lightning.losses.options import FormulaStyle, Reduction
from glo_lightning.losses.precision import finite_number, listed, numbers_like
from glo_lightning.losses.wrapped import WrappedLoss, require_classes


class ClassAwareLoss(WrappedLoss):
    r"""Another loss, of logits adjusted to the classes' frequencies and weighted by them: for long tails.

    .. math:: L = \frac{1}{N} \sum_b v_{T_b}\, l(f_b + \tau \log \pi - \Delta\, n_T^{-1/4} e_{T_b},\ T_b), \qquad
        v_c = \frac{\pi_c^{-\beta}}{\sum_k \pi_k^{1-\beta}}, \qquad \pi_c = \frac{n_c}{\sum_k n_k}

    With tau = beta = margin = 0 it is the loss inside. Tau = 1 is logit adjustment: the network learns what speaks for
    a class beside its frequency. Beta = 1 weighs classes by the inverse of their frequency; the mean weight over the
    training set is 1. The margin asks for more certainty in rare classes.

    ``elementwise``, ``gamma`` and the expression are those of the loss inside: theory judges its shape.

    Args:
        loss: the loss inside, of softmax outputs; its reductions and label smoothing are kept.
        class_counts: n, training samples of each class, above 0; two or more.
        tau: strength of the adjustment, finite.
        beta: exponent of the weights, finite.
        margin: Delta, finite.

    Raises:
        LossError: if ``loss`` is not a loss of one head, or a number is out of its range.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> ClassAwareLoss(CrossEntropyLoss(), [90, 10])(torch.zeros(1, 2), torch.tensor([1]))
        tensor(2.3026)

    Source: derivations.md, section 9.1, which names the papers.
    """

    family: ClassVar[str] = "class_aware"
    tau: Tensor
    beta: Tensor
    margin: Tensor
    _log_prior: Tensor
    _margins: Tensor

    def __init__(
        self, loss: Loss, class_counts: Sequence[float], tau: float = 1.0, beta: float = 0.0, margin: float = 0.0
    ) -> None:
        super().__init__(loss)
        require_classes(self, loss)
        self.class_counts = counts_of(class_counts)
        counts = torch.tensor(self.class_counts, dtype=torch.float64, device="cpu")
        for name, numbers in (
            ("tau", torch.tensor(finite_number(tau, "tau"), dtype=torch.float64, device="cpu")),
            ("beta", torch.tensor(finite_number(beta, "beta"), dtype=torch.float64, device="cpu")),
            ("margin", torch.tensor(finite_number(margin, "margin"), dtype=torch.float64, device="cpu")),
            ("_log_prior", (counts / counts.sum()).log()),
            ("_margins", counts**-0.25),
        ):
            self.register_buffer(name, numbers, persistent=False)

    def numbers(self) -> list[list[float]]:
        """Return what is added to the logits, what is taken from the target's, and the weights, each of C numbers."""
        double = torch.zeros((), dtype=torch.float64)
        return [each(double).tolist() for each in (self._adjustment, self._class_margins, self._weights)]

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many classes were counted."""
        return len(self.class_counts)

    def adjust(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits that the loss inside is called with, shape (..., C), and what it is multiplied by, (...).

        Args:
            logits: shape (..., C), floating.
            y: labels, shape (..., C), floating, not smoothed.
        """
        self._check(logits)
        adjusted = logits + self._adjustment(logits) - y * self._class_margins(logits)
        return adjusted, (y * self._weights(logits)).sum(-1)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss inside from adjusted logits, weighted by the labels; see :meth:`Loss.per_class`."""
        adjusted, weight = self.adjust(logits, y)
        return self.loss.per_class(adjusted, y) * weight.unsqueeze(-1)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if target.is_floating_point():
            adjusted, weight = self.adjust(logits, target)
        else:
            known = target.clamp(0, len(self.class_counts) - 1)  # what is no label, the loss inside explains
            weight, margins = self._weights(logits)[known], self._class_margins(logits)[known]
            adjusted = logits + self._adjustment(logits)
            adjusted = adjusted.scatter_add(-1, known.unsqueeze(-1), -margins.unsqueeze(-1))
        return reduce_batch(weight * self.loss._compute(adjusted, target, "none"), reduction)

    def _check(self, logits: Tensor) -> None:
        if logits.shape[-1] != len(self.class_counts):
            raise LossError(
                f"logits of {len(self.class_counts)} classes, as many as there are counts",
                f"{logits.shape[-1]}",
                "Count every class once, in the order of the logits.",
            )

    def _adjustment(self, logits: Tensor) -> Tensor:
        return numbers_like(self.tau * self._log_prior, logits)

    def _class_margins(self, logits: Tensor) -> Tensor:
        return numbers_like(self.margin * self._margins, logits)

    def _weights(self, logits: Tensor) -> Tensor:
        weights = -self.beta * self._log_prior - ((1.0 - self.beta) * self._log_prior).logsumexp(-1)
        return numbers_like(weights.exp(), logits)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored form of the loss inside, and what the family adds."""
        return {
            "loss": self.loss.to_dict(),
            "class_counts": list(self.class_counts),
            "tau": float(self.tau),
            "beta": float(self.beta),
            "margin": float(self.margin),
        }

    def formula_note(self, style: FormulaStyle) -> str:
        """Return how h and the weights are made; see :meth:`Loss.formula_note`."""
        inside = super().formula_note(style)
        if style == "python":
            return inside
        latex = style == "latex"
        minus = "-" if latex else "−"
        # Each with the sign that is before it in the formula.
        tau, margin = (
            f"{'+' if number >= 0.0 else minus} {abs(number):.4g}" for number in (float(self.tau), -float(self.margin))
        )
        beta = f"{minus if self.beta >= 0.0 else ''}{abs(float(self.beta)):.4g}"
        if latex:
            return (
                rf",\ h = \mathrm{{softmax}}(f {tau} \log \pi {margin}\, n_T^{{-1/4}} e_T),"
                rf"\ v_T \propto \pi_T^{{{beta}}}{inside}"
            )
        y = "label" if self.label_smoothing else "y"
        return f", h = softmax(f {tau}·log π {margin}·{y}·n^(−1/4)), weights ∝ π^({beta}){inside}"

    def extra_repr(self) -> str:
        """Show the counts and the strengths; the loss is shown as a part."""
        own = {name: value for name, value in self.hyperparameters().items() if name != "loss"}
        return ", ".join(f"{name}={value!r}" for name, value in own.items())


def counts_of(class_counts: Sequence[float], num_classes: int | None = None) -> tuple[float, ...]:
    """Return training samples of each class, which may be given as a tensor.

    Args:
        class_counts: samples of each class.
        num_classes: how many there must be, if that is known.

    Raises:
        LossError: if they are not above 0 and finite, fewer than two, or of another number of classes.
    """
    counts: tuple[float, ...] = tuple(listed(class_counts))
    good = (
        isinstance(each, Real) and not isinstance(each, bool) and 0.0 < each <= sys.float_info.max for each in counts
    )
    if len(counts) < 2 or not all(good):
        raise LossError(
            "class_counts above 0, one for each of two or more classes",
            repr(counts)[:80],
            "Leave out classes that never occur, or count the training labels with torch.bincount.",
        )
    if num_classes is not None and len(counts) != num_classes:
        raise LossError(
            f"class_counts of {num_classes} classes",
            f"{len(counts)}: {list(counts)!r:.60}",
            "Count all of them: torch.bincount(labels, minlength=num_classes).",
        )
    return counts
