"""Losses of overlap, for masks: soft Dice, Jaccard and Tversky."""

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Reduction
from glo_lightning.losses.precision import finite_number

if TYPE_CHECKING:
    import sympy


class TverskyLoss(Loss):
    r"""One minus the Tversky index of each class over the whole batch; soft Dice by default.

    .. math:: 1 - \frac{\langle h y \rangle + s}
        {\langle h y + \alpha h (1 - y) + \beta (1 - h) y \rangle + s}

    The mean :math:`\langle \cdot \rangle` runs over all samples and positions of a batch, so a class that is rare in it
    weighs as much as one that is frequent. Alpha = beta = 1/2 is Dice, 1 is Jaccard (intersection over union).

    A sample's own loss is what it adds to the mean over the batch, :math:`(\alpha h (1 - y) + \beta (1 - h) y)` over
    the denominator. It depends on the others: theory, which judges samples one by one, refuses it.

    For masks with sigmoid outputs, of which the yes alone counts:
    ``SigmoidLoss(TwoSidedLoss(TverskyLoss(class_reduction="sum")))``. All masks of a batch are then taken as one.

    Args:
        alpha: weight of what is wrongly called the class, 0 or more.
        beta: weight of what is missed of it, 0 or more; not both 0.
        smoothing: s, above 0: lets classes that are not in a batch cost next to nothing. As a share of the batch; where
            libraries add a number to sums over N samples, s is that number over N.
        class_reduction: as in :class:`Loss`, but the mean by default.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if a number is out of its range.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
        >>> TverskyLoss()(logits, torch.tensor([0, 1])), TverskyLoss()(logits, torch.tensor([1, 0]))
        (tensor(0.0180), tensor(0.9820))

    Source: Salehi et al., "Tversky loss function for image segmentation", arXiv:1706.05721; Milletari et al.,
    "V-Net", arXiv:1606.04797 (Dice).
    """

    family: ClassVar[str] = "tversky"

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        smoothing: float = 1e-5,
        class_reduction: ClassReduction = "mean",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        self.alpha, self.beta = finite_number(alpha, "alpha"), finite_number(beta, "beta")
        self.smoothing = finite_number(smoothing, "smoothing")
        if min(self.alpha, self.beta) < 0.0 or max(self.alpha, self.beta) == 0.0:
            raise LossError(
                "alpha and beta of 0 or more, one of them above",
                f"{alpha!r} and {beta!r}",
                "Use 0.5 for both, which is Dice.",
            )
        if not self.smoothing > 0.0:
            raise LossError("smoothing above 0", repr(smoothing), "Use 1e-5: a class that is missing would be 0 / 0.")

    @property
    def is_separable(self) -> bool:
        """It is not: a sample's overlap counts as a share of its batch's."""
        return False

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate what each entry of a batch, all dimensions but the last, adds; see :meth:`Loss.elementwise`."""
        missed = self.alpha * h * (1.0 - y) + self.beta * (1.0 - h) * y
        batch = (h * y + missed).reshape(-1, h.shape[-1])
        return missed / (batch.mean(0) + self.smoothing)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the weights and what smooths."""
        return {"alpha": self.alpha, "beta": self.beta, "smoothing": self.smoothing}

    def expression(self) -> "sympy.Expr":
        """Return what each entry adds, with the mean over the batch as a function; see :meth:`Loss.expression`."""
        import sympy

        from glo_lightning.losses.formula import BatchMean

        h, y = sympy.symbols("h y")
        missed = self.alpha * h * (1 - y) + self.beta * (1 - h) * y
        return missed / (BatchMean(h * y + missed) + self.smoothing)

    def formula_note(self, style: FormulaStyle) -> str:
        """Return what the mean is over; see :meth:`Loss.formula_note`."""
        own = {
            "latex": r",\ \langle \cdot \rangle\ \mathrm{over\ the\ batch}",
            "unicode": ", ⟨·⟩ over the batch",
            "python": "",
        }[style]
        return own + super().formula_note(style)
