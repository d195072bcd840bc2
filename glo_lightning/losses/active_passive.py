"""Losses that label noise cannot mislead: normalised cross-entropy with the reverse one beside it."""

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.labels import seen_log
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Reduction
from glo_lightning.losses.precision import finite_number

if TYPE_CHECKING:
    import sympy

LOG_ZERO = -4.0
"""What stands for log 0 in reverse cross-entropy. Source: arXiv:1908.06112, section 3.3."""


class ActivePassiveLoss(Loss):
    r"""Normalised cross-entropy plus reverse cross-entropy (NCE + RCE), robust to label noise.

    .. math:: L = \alpha \frac{\sum_i y_i \log h_i}{\sum_k \log h_k} + 4 \beta \sum_i y_i (1 - h_i)

    The first term raises the target (active) and the second lowers the others (passive); summed over all labels that a
    sample could have, each is the same for every output, which is why symmetric noise moves no minimum.

    Args:
        alpha: weight of normalised cross-entropy, finite.
        beta: weight of reverse cross-entropy, finite.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if a weight is not finite; from ``elementwise`` and ``gamma``, because the loss of a class depends on
            all logits.

    Example:
        >>> import torch
        >>> ActivePassiveLoss()(torch.zeros(1, 10), torch.tensor([3]))
        tensor(3.7000)

    Source: Ma et al., "Normalized Loss Functions for Deep Learning with Noisy Labels", arXiv:2006.13554.
    """

    family: ClassVar[str] = "active_passive"

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        self.alpha = finite_number(alpha, "alpha")
        self.beta = finite_number(beta, "beta")

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Refuse: the loss of a class depends on all logits."""
        raise LossError(
            "a loss that is a sum of functions of one logit each",
            "normalised cross-entropy, which divides by all of them",
            "Call the loss, or per_class, with logits.",
        )

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log-softmax; see :meth:`Loss.per_class`."""
        log_h = logits.log_softmax(-1)
        normalised = seen_log(log_h, y) / log_h.sum(-1, keepdim=True)
        return y * (self.alpha * normalised + LOG_ZERO * self.beta * log_h.expm1())

    def hyperparameters(self) -> dict[str, Any]:
        """Return the weights."""
        return {"alpha": self.alpha, "beta": self.beta}

    def expression(self) -> "sympy.Expr":
        """Return the loss with s for the sum of all log h; see :meth:`Loss.expression`."""
        import sympy

        h, s, y = sympy.symbols("h s y")
        return y * (self.alpha * sympy.log(h) / s - LOG_ZERO * self.beta * (1 - h))

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss; in ``"python"`` spelt out, because it is no sum of functions of one logit each."""
        if style == "python":
            reduction = "" if self.class_reduction == "sum" else " / (h*0 + 1).sum(-1)"
            passive = -LOG_ZERO * self.beta
            return f"({self.alpha!r}*(y*log(h)).sum(-1)/log(h).sum(-1) + {passive!r}*(y*(1 - h)).sum(-1)){reduction}"
        return super().formula(style)

    def formula_note(self, style: FormulaStyle) -> str:
        """Return what s is; see :meth:`Loss.formula_note`."""
        own = {"latex": r",\ s = \sum_k \log h_k", "unicode": ", s = Σₖ log hₖ", "python": ""}[style]
        return own + super().formula_note(style)
