"""A loss times a constant, to tell a better loss from a better learning rate."""

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from glo_lightning.losses.base import Loss
from glo_lightning.losses.options import FormulaStyle, Reduction
from glo_lightning.losses.precision import finite_number
from glo_lightning.losses.regression import RegressionLoss
from glo_lightning.losses.standardized import StandardizedLoss
from glo_lightning.losses.wrapped import WrappedLoss

if TYPE_CHECKING:
    import sympy


class ScaledLoss(WrappedLoss):
    r"""Another loss times a constant.

    .. math:: \ell(y, h) = s \, \ell_0(y, h)

    Under SGD this is a change of learning rate and nothing else: cross-entropy scaled to a candidate's
    start-up gradient tells a better loss from a better learning rate.

    Args:
        loss: the loss to scale; its reductions and label smoothing are kept.
        factor: s, finite.

    Raises:
        LossError: if ``loss`` is not a loss of one head or the factor is not finite.

    Example:
        >>> import torch
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> ScaledLoss(CrossEntropyLoss(), 2.0)(torch.zeros(1, 10), torch.tensor([3]))
        tensor(4.6052)

    Source: derivations.md, section 7.3.
    """

    family: ClassVar[str] = "scaled"

    def __init__(self, loss: Loss, factor: float) -> None:
        super().__init__(loss)
        self.factor = finite_number(factor, "factor")

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate s times the loss; see :meth:`Loss.elementwise`."""
        return self.factor * super().elementwise(h, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate s times the loss from log h; see :meth:`Loss.elementwise_log`."""
        return self.factor * super().elementwise_log(log_h, y)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate s times the loss from unscaled logits; see :meth:`Loss.per_class`."""
        return self.factor * super().per_class(logits, y)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return self.factor * super()._compute(logits, target, reduction)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return s times the loss's factor; see :meth:`Loss.gamma`."""
        return self.factor * super().gamma(h, y)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored form of the loss, and the factor."""
        return {"loss": self.loss.to_dict(), "factor": self.factor}

    def expression(self) -> "sympy.Expr":
        """Return s times the loss's expression; see :meth:`Loss.expression`."""
        return self.factor * super().expression()

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss as text; see :meth:`Loss.formula`."""
        if self.outputs != "real":
            return super().formula(style)
        inside, factor = unscaled(self)
        assert isinstance(inside, RegressionLoss | StandardizedLoss)
        return inside.scaled_formula(style, factor)

    def extra_repr(self) -> str:
        """Show the factor; the loss is shown as a part."""
        return f"factor={self.factor!r}"


def unscaled(loss: Loss) -> tuple[Loss, float]:
    """Take the constants off a loss, and return it and their product."""
    factor = 1.0
    while isinstance(loss, ScaledLoss):
        factor *= loss.factor
        loss = loss.loss
    return loss, factor
