"""The contract every candidate loss keeps."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.losses.batch import check_batch, describe, label_distribution, reduce_batch
from glo_lightning.losses.families import register
from glo_lightning.losses.labels import labels_like
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Outputs, Reduction
from glo_lightning.losses.precision import at_least_single, double_device, finite_number, recordable
from glo_lightning.losses.stored_form import from_stored, to_stored

if TYPE_CHECKING:
    import sympy


class Loss(nn.Module, ABC):
    r"""A classification loss that is a sum over classes of one elementwise function.

    .. math:: L = \frac{1}{N} \sum_{b=1}^{N} \sum_{i=1}^{C} \ell(y_{bi}, h_{bi}), \qquad h = \mathrm{softmax}(f)

    A family is a subclass with a ``family`` name, ``elementwise``, ``hyperparameters`` and ``expression``;
    everything else (reductions, label smoothing, gamma, storage, formulas) follows from those.

    Args:
        class_reduction: ``"sum"`` over classes, as torch's cross-entropy and the authors' code do, or
            ``"mean"``, the papers' 1/n.
        reduction: over the batch: ``"mean"``, ``"sum"`` or ``"none"``, as in torch.
        label_smoothing: alpha in [0, 1): labels become ``(1 - alpha) y + alpha / C``.

    Raises:
        LossError: if an argument is outside its range.

    Source: derivations.md, section 1 (conventions).
    """

    family: ClassVar[str]
    outputs: Outputs = "softmax"
    """What the outputs of a model mean that the loss is called with."""
    num_classes: int | None = None
    """How many classes the logits must have, if that matters."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "family" in cls.__dict__:
            register(cls.family, cls)

    def __init__(
        self,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if class_reduction not in ("sum", "mean"):
            raise LossError("class_reduction 'sum' or 'mean'", repr(class_reduction), "Use 'sum' to match torch.")
        if reduction not in ("mean", "sum", "none"):
            raise LossError("reduction 'mean', 'sum' or 'none'", repr(reduction), "Use 'mean' to match torch.")
        if not 0.0 <= finite_number(label_smoothing, "label_smoothing") < 1.0:
            raise LossError("label_smoothing in [0, 1)", repr(label_smoothing), "Use 0.0 for hard labels.")
        self.class_reduction: ClassReduction = class_reduction
        self.reduction: Reduction = reduction
        self.label_smoothing = float(label_smoothing)
        self._progress: Tensor
        # Within torch.device("meta") the number would be lost.
        self.register_buffer("_progress", torch.zeros((), dtype=torch.float64, device="cpu"), persistent=False)

    @property
    def num_heads(self) -> int:
        """How many heads of a network the loss has parameters of its own for."""
        return 1

    @property
    def is_separable(self) -> bool:
        """Whether a sample costs the same whatever else is in its batch."""
        return True

    @property
    def uses_progress(self) -> bool:
        """Whether the loss changes with training progress, so that somebody must set it."""
        return False

    @property
    def progress(self) -> float:
        """Training progress t in [0, 1]: 0 at the first step, 1 at the last."""
        return float(self._progress)

    @progress.setter
    def progress(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise LossError("training progress in [0, 1]", repr(value), "Pass step / total_steps.")
        self._progress.fill_(value)

    @abstractmethod
    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate l(y, h) entry by entry.

        Args:
            h: scaled logits, shape (..., C), floating, in [0, 1].
            y: labels, shape (..., C), floating, in [0, 1].

        Returns:
            Losses, shape (..., C).
        """

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate l(y, h) entry by entry from logarithms; families override it where these are more stable.

        Args:
            log_h: log-softmax, shape (..., C), floating, at most 0.
            y: labels, shape (..., C), floating, in [0, 1].

        Returns:
            Losses, shape (..., C).
        """
        return self.elementwise(log_h.exp(), y)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate l(y, softmax(logits)); families that see more of the logits override it.

        Args:
            logits: unscaled logits, shape (..., C), floating.
            y: labels, shape (..., C), floating.

        Returns:
            Losses, shape (..., C).
        """
        return self.elementwise_log(logits.log_softmax(-1), y)

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the loss of a batch, in float32 or wider.

        Args:
            logits: unscaled logits, shape (N, C) or (N, C, ...), floating, C >= 2; further dimensions are positions,
                as in segmentation, and each of them counts as a sample. Of a network with several heads: the logits of
                each head, whose losses are added up.
            target: class indices, shape (N,) or (N, ...), int64, in 0..C-1; or label distributions, floating, of the
                logits' shape.

        Returns:
            The loss, shape () or, with ``reduction="none"``, shape (N,) or (N, ...). An empty batch has loss 0.

        Raises:
            LossError: if shapes, dtypes or label values do not fit.
        """
        if isinstance(logits, tuple):
            return torch.stack([self(head, target) for head in logits]).sum(0)
        rows, labels, shape = self.rows(at_least_single(logits), target)
        if self.outputs != "real":
            check_batch(rows, labels, self.num_classes)
        # The mean of nothing is no number, and a batch without labels no divergence: it costs nothing.
        reduction = "sum" if self.reduction == "mean" and not rows.numel() else self.reduction
        losses = self._compute(rows, labels, reduction)
        return losses.reshape(shape) if reduction == "none" else losses

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Lay the arguments of a call out as rows, one per sample or position, with a logit for every class.

        Args:
            logits: as in :meth:`forward`.
            target: as in :meth:`forward`.

        Returns:
            Logits, shape (M, C); labels, shape (M,) or (M, C); and the shape that M losses go back to.

        Raises:
            LossError: if the shapes do not fit.
        """
        if logits.ndim <= 2:
            return logits, target, logits.shape[:1]
        positions = torch.Size([logits.shape[0], *logits.shape[2:]])
        if target.shape != (logits.shape if target.is_floating_point() else positions):
            raise LossError(
                f"labels of shape {tuple(positions)} and dtype int64, or floating of shape {tuple(logits.shape)}",
                describe(target),
                "Dimension 1 of the logits holds the classes, as in torch: move it there with logits.movedim(-1, 1).",
            )
        labels = target.movedim(1, -1).flatten(0, -2) if target.is_floating_point() else target.flatten()
        return logits.movedim(1, -1).flatten(0, -2), labels, positions

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        """Compute the loss of rows that fit, in the logits' precision; families override it for a shorter way."""
        per_class = self.per_class(logits, self.smooth(label_distribution(logits, target)))
        return reduce_batch(per_class.sum(-1) if self.class_reduction == "sum" else per_class.mean(-1), reduction)

    def smooth(self, y: Tensor) -> Tensor:
        """Return ``(1 - alpha) y + alpha / C``, the labels this loss sees; shape (..., C)."""
        if self.label_smoothing == 0.0:
            return y
        return (1.0 - self.label_smoothing) * y + self.label_smoothing / y.shape[-1]

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        r"""Return the learning-rule factor, positive where training raises the scaled logit.

        .. math:: \gamma_i = -\frac{\partial \ell(y_i, h_i)}{\partial h_i}

        Args:
            h: scaled logits, shape (..., C), floating.
            y: labels as the loss sees them (already smoothed, if smoothing is wanted), shape (..., C).

        Returns:
            Factors, shape (..., C), without 1/C and 1/N.

        Source: derivations.md, section 1.
        """
        y = labels_like(h, y)
        slope: Tensor = torch.func.grad(lambda x: self.elementwise(x, y).sum())(h)
        return -slope

    @abstractmethod
    def hyperparameters(self) -> dict[str, Any]:
        """Return the family's own constructor arguments as JSON values."""

    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that rebuild the loss, as JSON values."""
        return {
            **self.hyperparameters(),
            "class_reduction": self.class_reduction,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
        }

    @abstractmethod
    def expression(self) -> "sympy.Expr":
        """Return l as a sympy expression in y (label), h (scaled logit), f (logit) and t (progress)."""

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss as text.

        Args:
            style: ``"latex"``, ``"unicode"`` (one line) or ``"python"`` (an expression over arrays, y being the labels
                that the loss sees: smooth them first, if it has label smoothing).

        Returns:
            The formula of the whole loss, sum over classes included.
        """
        from glo_lightning.losses.formula import render

        return render(self.expression(), style, self.class_reduction) + self.formula_note(style)

    def formula_note(self, style: FormulaStyle) -> str:
        """Return what stands behind the formula, as text: how its y and h are made, where that is not as usual."""
        alpha = f"{self.label_smoothing:.4g}"
        if style == "python" or not self.label_smoothing:
            return ""
        if style == "latex":
            return rf",\ y = (1 - {alpha})\ \mathrm{{label}} + {alpha} / C"
        return f", y = (1 − {alpha})·label + {alpha}/C"

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form: JSON values only; see :mod:`glo_lightning.losses.stored_form`."""
        return to_stored(self.family, self.arguments())

    @classmethod
    def from_dict(cls, stored: object) -> Self:
        """Build a loss from its stored form.

        Args:
            stored: what :meth:`to_dict` returned, possibly damaged.

        Raises:
            LossFileError: if the form is damaged, foreign, or describes a loss of another class.

        Example:
            >>> from glo_lightning.losses import FocalLoss
            >>> stored = FocalLoss(2.0).to_dict()
            >>> stored["family"], stored["parameters"]["focusing"]
            ('focal', 2.0)
            >>> Loss.from_dict(stored)
            FocalLoss(focusing=2.0, margin=0.0, class_reduction='sum', reduction='mean', label_smoothing=0.0)
        """
        return from_stored(stored, cls)

    def extra_repr(self) -> str:
        """Show the arguments that rebuild the loss."""
        return ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that defines the loss, which may be made within inference mode."""
        super().register_buffer(name, tensor if tensor is None else recordable(tensor), persistent)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a copy, which may be made within inference mode."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._buffers = {
            name: buffer if buffer is None else recordable(buffer) for name, buffer in self._buffers.items()
        }

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # The numbers that define the loss change their device alone: model.half() must not round them.
        numbers, self._buffers = self._buffers, {}
        try:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        finally:
            self._buffers = numbers
        for name, number in numbers.items():
            if number is not None:
                device = fn(torch.empty(0, device=number.device)).device
                numbers[name] = number.to(double_device(device))
        return self
