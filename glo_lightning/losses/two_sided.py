"""Losses that ask of a yes something else than of a no, for labels that are mostly no."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.classic import FocalLoss
from glo_lightning.losses.drive import DriveLoss
from glo_lightning.losses.options import FormulaStyle, Reduction
from glo_lightning.losses.precision import finite_number
from glo_lightning.losses.scaled import unscaled
from glo_lightning.losses.sigmoid import SigmoidLoss
from glo_lightning.losses.wrapped import WrappedLoss, require_classes

if TYPE_CHECKING:
    import sympy


class TwoSidedLoss(WrappedLoss):
    r"""A loss of two classes, no and yes, that is one function of the yes and another of the no.

    .. math:: \ell = \ell_+(y_1, h_1) + \ell_-(y_0, h_0)

    For sigmoid outputs put it in a :class:`SigmoidLoss`; :func:`asymmetric_loss` and :func:`two_sided_drive` do. Theory
    sees the mean of both sides.

    Args:
        positive: the loss of the yes, class 1; its reductions and label smoothing are kept.
        negative: the loss of the no, class 0, of the same reductions and label smoothing; None asks nothing of it.

    Raises:
        LossError: if these are no losses of single scaled logits, or do not fit each other; from ``elementwise`` and
            ``gamma``, because they do not know which class they are asked for.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
        >>> TwoSidedLoss(CrossEntropyLoss(), MeanSquaredErrorLoss())(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(0.5966)
        >>> (0.5**2 + -torch.tensor(0.5).log() + 0.5**2) / 2
        tensor(0.5966)

    Source: derivations.md, section 9.2.
    """

    family: ClassVar[str] = "two_sided"

    def __init__(self, positive: Loss, negative: Loss | None = None) -> None:
        super().__init__(positive)
        for side in (positive, negative):
            if side is not None:
                require_classes(self, side)
                _check_side(side)
        if negative is not None and _reductions(negative) != _reductions(positive):
            raise LossError(
                "two losses of the same reductions and label smoothing",
                f"{_reductions(positive)} and {_reductions(negative)}",
                "Build both with the same.",
            )
        self.negative = negative

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """No and yes."""
        return 2

    @property
    def sides(self) -> tuple[Loss | None, Loss]:
        """The losses of the no and of the yes, in the order of the classes."""
        return self.negative, self.loss

    def rewrapped(self, change: Callable[[Loss], Loss]) -> Self:
        """Return the same around other losses; see :meth:`WrappedLoss.rewrapped`."""
        return type(self)(change(self.loss), None if self.negative is None else change(self.negative))

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Refuse: what is asked of an entry depends on its class."""
        raise LossError(
            "a loss that treats all classes alike",
            "one that tells yes from no",
            "Call the loss, or per_class, with logits of both.",
        )

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate each side in its own column, shape (..., 2); see :meth:`Loss.elementwise_log`."""
        columns = []
        for side, column in zip(self.sides, (slice(0, 1), slice(1, 2)), strict=True):
            own = log_h[..., column]
            columns.append(torch.zeros_like(own) if side is None else side.elementwise_log(own, y[..., column]))
        return torch.cat(columns, -1)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate each side in its own column; see :meth:`Loss.per_class`."""
        return Loss.per_class(self, logits, y)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Refuse, as ``elementwise`` does."""
        return self.elementwise(h, y)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return Loss._compute(self, logits, target, reduction)

    @property
    def is_separable(self) -> bool:
        """Whether both sides are."""
        return all(side is None or side.is_separable for side in self.sides)

    @property
    def uses_progress(self) -> bool:
        """Whether one of the sides changes with training progress."""
        return any(side is not None and side.uses_progress for side in self.sides)

    @property
    def progress(self) -> float:
        """Training progress t in [0, 1] of both sides."""
        return self.loss.progress

    @progress.setter
    def progress(self, value: float) -> None:
        for side in self.sides:
            if side is not None:
                side.progress = value

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored forms of both sides."""
        return {
            "positive": self.loss.to_dict(),
            "negative": None if self.negative is None else self.negative.to_dict(),
        }

    def expression(self) -> "sympy.Expr":
        """Return the sum of both sides in y_0, h_0, y_1 and h_1; see :meth:`Loss.expression`."""
        import sympy

        total = sympy.Integer(0)
        for place, side in enumerate(self.sides):
            if side is not None:
                names = {sympy.Symbol(name): sympy.Symbol(f"{name}_{place}") for name in ("y", "h")}
                total += side.expression().xreplace(names)
        return total

    def formula_note(self, style: FormulaStyle) -> str:
        """Return the notes of both sides, each once; see :meth:`Loss.formula_note`."""
        return "".join(dict.fromkeys(side.formula_note(style) for side in self.sides if side is not None))


def asymmetric_loss(
    positive: float = 0.0, negative: float = 4.0, margin: float = 0.05, reduction: Reduction = "mean"
) -> SigmoidLoss:
    r"""Return asymmetric loss, for many labels that are mostly no: it turns away from what is no and known to be.

    .. math:: \ell = -y (1 - p)^{g_+} \log p - (1 - y)\, r^{g_-} \log(1 - r), \qquad r = \max(0, p - m)

    Args:
        positive: focusing g_+ of the yes, 0 or more.
        negative: focusing g_- of the no, 0 or more.
        margin: m in [0, 1): a no that is surer than 1 - m costs nothing.
        reduction: as in :class:`Loss`.

    Raises:
        LossError: if a number is out of its range.

    Example:
        >>> asymmetric_loss()(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
        tensor(0.3588)
        >>> asymmetric_loss(0.0, 0.0, 0.0)(torch.tensor([0.0]), torch.tensor([1.0]))
        tensor(0.6931)

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", arXiv:2009.14119, equations 4 to 6.
    """
    return SigmoidLoss(
        TwoSidedLoss(FocalLoss(positive, reduction=reduction), FocalLoss(negative, margin, reduction=reduction))
    )


def two_sided_drive(
    scale: float = 1.0,
    balance: float = 0.0,
    positive: tuple[float, float] = (0.0, 0.0),
    negative: tuple[float, float] = (0.0, 0.0),
) -> TwoSidedLoss:
    """Return a drive loss of its own for the yes and for the no; for sigmoid outputs, put it in a :class:`SigmoidLoss`.

    Training starts as binary cross-entropy's does with its learning rate times the scale, where yes and no are equally
    many. The defaults are binary cross-entropy.

    Args:
        scale: s, the mean of both sides' scales.
        balance: b in [-1, 1]: the scale of the yes is s (1 + b), that of the no s (1 - b).
        positive: q and g of the yes; see :class:`DriveLoss`.
        negative: q and g of the no.

    Raises:
        LossError: if a number is out of its range.

    Example:
        >>> from glo_lightning.losses import SigmoidLoss
        >>> SigmoidLoss(two_sided_drive())(torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]))
        tensor(0.6931)

    Source: derivations.md, section 9.2.
    """
    scale, balance = finite_number(scale, "scale"), finite_number(balance, "balance")
    if not -1.0 <= balance <= 1.0:
        raise LossError("a balance in [-1, 1]", repr(balance), "Use 0 for both sides alike.")
    return TwoSidedLoss(
        DriveLoss(scale * (1.0 + balance), *positive, c=(), num_classes=2),
        DriveLoss(scale * (1.0 - balance), *negative, c=(), num_classes=2),
    )


def _check_side(side: Loss) -> None:
    """Refuse what is no function of one scaled logit and its label, or for more classes."""
    inside, _ = unscaled(side)
    half = torch.full((2,), 0.5)
    try:
        if isinstance(inside, WrappedLoss):
            raise LossError("a loss of one scaled logit", type(inside).__name__, "Wrap both sides together.")
        side.elementwise(half, half)
    except LossError as error:
        raise LossError(
            "losses that are functions of one scaled logit and its label",
            str(error),
            f"Use for example CrossEntropyLoss, FocalLoss or DriveLoss; what is around {type(side).__name__} goes "
            "around both sides.",
        ) from error
    if side.num_classes not in (None, 2):
        raise LossError("losses of two classes, no and yes", f"one of {side.num_classes}", "Use num_classes=2.")


def _reductions(loss: Loss) -> tuple[str, str, float]:
    return loss.class_reduction, loss.reduction, loss.label_smoothing
