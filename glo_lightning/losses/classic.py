"""Cross-entropy, squared error, and the usual variants of cross-entropy."""

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import explain_labels
from glo_lightning.losses.labels import labels_like, seen, seen_log
from glo_lightning.losses.options import ClassReduction, Reduction
from glo_lightning.losses.precision import finite_number

if TYPE_CHECKING:
    import sympy

_NO_LABEL = torch.iinfo(torch.int64).min  # torch would pass over -100 in silence


class CrossEntropyLoss(Loss):
    r"""Cross-entropy; with the default arguments equal to torch's.

    .. math:: \ell(y, h) = -y \log h, \qquad \gamma = y / h

    Args:
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Example:
        >>> CrossEntropyLoss()(torch.zeros(1, 10), torch.tensor([3]))
        tensor(2.3026)

    Source: derivations.md, section 2.
    """

    family: ClassVar[str] = "cross_entropy"

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y log h, 0 where y is 0; see :meth:`Loss.elementwise`."""
        return -y * seen(h, y).log()

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y log h, 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        return -y * seen_log(log_h, y)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if target.is_floating_point():  # torch's is NaN where a class is masked
            return super()._compute(logits, target, reduction)
        try:
            loss = functional.cross_entropy(
                logits,
                target,
                ignore_index=_NO_LABEL,
                reduction=reduction,
                label_smoothing=self.label_smoothing,
            )
        except (RuntimeError, IndexError) as error:
            raise explain_labels(error, logits, target) from None
        return loss if self.class_reduction == "sum" else loss / logits.shape[-1]

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return y / h, 0 where y is 0; see :meth:`Loss.gamma`."""
        return labels_like(h, y) / seen(h, y)

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: cross-entropy has no parameters."""
        return {}

    def expression(self) -> "sympy.Expr":
        """Return -y log h; see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return -y * sympy.log(h)


class MeanSquaredErrorLoss(Loss):
    r"""Squared distance of scaled logits and labels.

    .. math:: \ell(y, h) = (h - y)^2, \qquad \gamma = 2 (y - h)

    Args:
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Example:
        >>> MeanSquaredErrorLoss()(torch.zeros(1, 2), torch.tensor([1]))
        tensor(0.5000)

    Source: derivations.md, section 2.
    """

    family: ClassVar[str] = "mean_squared_error"

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate (h - y)^2; see :meth:`Loss.elementwise`."""
        return (h - y) ** 2

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return 2 (y - h); see :meth:`Loss.gamma`."""
        return 2.0 * (labels_like(h, y) - h)

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: mean squared error has no parameters."""
        return {}

    def expression(self) -> "sympy.Expr":
        """Return (h - y)^2; see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return (h - y) ** 2


class FocalLoss(Loss):
    r"""Cross-entropy that turns away from samples already classified well.

    .. math:: \ell(y, h) = -y\, r^g \log(1 - r), \qquad r = \max(0, 1 - m - h)

    Args:
        focusing: g, 0 or more; 0 is cross-entropy.
        margin: m in [0, 1): what is surer than 1 - m costs nothing.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if ``focusing`` is negative or not finite, or ``margin`` out of its range.

    Example:
        >>> FocalLoss(2.0)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(0.1733)

    Source: Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002, equation 4; the margin, as the
    shift of a probability, Ridnik et al., "Asymmetric Loss For Multi-Label Classification", arXiv:2009.14119.
    """

    family: ClassVar[str] = "focal"

    def __init__(
        self,
        focusing: float = 2.0,
        margin: float = 0.0,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        self.focusing = finite_number(focusing, "focusing")
        self.margin = finite_number(margin, "margin")
        if self.focusing < 0.0:
            raise LossError("focusing of 0 or more", repr(focusing), "Use 2.0, the paper's choice.")
        if not 0.0 <= self.margin < 1.0:
            raise LossError("a margin in [0, 1)", repr(margin), "Use 0.05, or 0 for none.")

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y r^g log(1 - r), 0 where y is 0; see :meth:`Loss.elementwise`."""
        h = seen(h, y)
        return self._focused(h.log(), 1.0 - h, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y r^g log(1 - r), 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        log_h = seen_log(log_h, y)
        return self._focused(log_h, -log_h.expm1(), y)

    def _focused(self, log_h: Tensor, rest: Tensor, y: Tensor) -> Tensor:
        # The slope of a fractional power is infinite at 0; the clamp stops it there.
        rest = (rest - self.margin).clamp(min=torch.finfo(rest.dtype).tiny)
        return -y * rest**self.focusing * ((-rest).log1p() if self.margin else log_h)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the focusing parameter and the margin."""
        return {"focusing": self.focusing, "margin": self.margin}

    def expression(self) -> "sympy.Expr":
        """Return -y r^g log(1 - r); see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        rest = sympy.Max(0, 1 - self.margin - h) if self.margin else 1 - h
        return -y * rest**self.focusing * sympy.log(1 - rest)


class PolyLoss(Loss):
    r"""Cross-entropy with the first term of its own series given more weight (Poly-1).

    .. math:: \ell(y, h) = y \left(-\log h + \epsilon (1 - h)\right), \qquad \gamma = y / h + \epsilon y

    Args:
        epsilon: extra weight of the first term; 0 is cross-entropy.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if ``epsilon`` is not finite.

    Example:
        >>> PolyLoss(1.0)(torch.zeros(1, 2), torch.tensor([0]))
        tensor(1.1931)

    Source: Leng et al., "PolyLoss", arXiv:2204.12511, equation 5.
    """

    family: ClassVar[str] = "poly"

    def __init__(
        self,
        epsilon: float = 1.0,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        self.epsilon = finite_number(epsilon, "epsilon")

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate y (-log h + epsilon (1 - h)), 0 where y is 0; see :meth:`Loss.elementwise`."""
        return y * (self.epsilon * (1.0 - h) - seen(h, y).log())

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log h, 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        log_h = seen_log(log_h, y)
        return -y * (self.epsilon * log_h.expm1() + log_h)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return y / h + epsilon y, 0 where y is 0; see :meth:`Loss.gamma`."""
        y = labels_like(h, y)
        return y / seen(h, y) + self.epsilon * y

    def hyperparameters(self) -> dict[str, Any]:
        """Return epsilon."""
        return {"epsilon": self.epsilon}

    def expression(self) -> "sympy.Expr":
        """Return y (-log h + epsilon (1 - h)); see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return y * (self.epsilon * (1 - h) - sympy.log(h))
