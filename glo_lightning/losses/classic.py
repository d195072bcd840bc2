"""Losses of the literature: cross-entropy, squared error, Baikal, and the usual baselines."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import explain_labels
from glo_lightning.losses.options import ClassReduction, Reduction
from glo_lightning.losses.precision import finite_number, listed

if TYPE_CHECKING:
    import sympy

_NO_LABEL = torch.iinfo(torch.int64).min  # torch would pass over -100 in silence
BAIKAL_CMA_COEFFICIENTS = (2.7279, 0.9863, 1.5352, -1.1135, 1.3716, -0.8411)


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
        return -y * _seen(h, y).log()

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y log h, 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        return -y * _seen_log(log_h, y)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if target.is_floating_point():
            target = target.to(logits.dtype)
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
        return _labels_like(h, y) / _seen(h, y)

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
        return 2.0 * (_labels_like(h, y) - h)

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: mean squared error has no parameters."""
        return {}

    def expression(self) -> "sympy.Expr":
        """Return (h - y)^2; see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return (h - y) ** 2


class BaikalLoss(Loss):
    r"""The loss that GLO discovered on MNIST, which regularizes by repelling certainty.

    .. math:: \ell(y, h) = -\left(\log h - \frac{y}{h}\right), \qquad \gamma = \frac{1}{h} + \frac{y}{h^2}

    Args:
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Example:
        >>> BaikalLoss().gamma(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([6., 2.])

    Source: GLO, section 4; derivations.md, section 2.
    """

    family: ClassVar[str] = "baikal"

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -(log h - y / h); see :meth:`Loss.elementwise`."""
        return y / _seen(h, y) - h.log()

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -(log h - y / h); see :meth:`Loss.elementwise_log`."""
        return _label_ratio(log_h, y) - log_h

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return 1 / h + y / h^2, the second term 0 where y is 0; see :meth:`Loss.gamma`."""
        return 1.0 / h + _labels_like(h, y) / _seen(h, y) ** 2

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: Baikal has no parameters."""
        return {}

    def expression(self) -> "sympy.Expr":
        """Return -(log h - y / h); see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return y / h - sympy.log(h)


class BaikalCMALoss(Loss):
    r"""Baikal with six coefficients, which GLO tuned by CMA-ES.

    .. math:: \ell(y, h) = -c_0 \left(c_1 \log(c_2 h) - c_3 \frac{c_4 y}{c_5 h}\right)

    Args:
        coefficients: c_0 to c_5, finite, with c_2 > 0 and c_5 not 0; the published ones by default.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if the coefficients are not six such numbers.

    Example:
        >>> BaikalCMALoss().gamma(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([25.1944,  5.3811])

    Source: GLO, section 4; derivations.md, section 2.
    """

    family: ClassVar[str] = "baikal_cma"

    def __init__(
        self,
        coefficients: Sequence[float] = BAIKAL_CMA_COEFFICIENTS,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        values = [finite_number(value, "coefficients") for value in listed(coefficients)]
        if len(values) != 6 or values[2] <= 0.0 or values[5] == 0.0:
            raise LossError(
                "six coefficients with c_2 > 0 and c_5 not 0",
                repr(values),
                "Leave them out to use the published ones.",
            )
        self.coefficients = tuple(values)
        c0, c1, c2, c3, c4, c5 = values
        self._log_factor = c0 * c1
        self._ratio_factor = c0 * c3 * c4 / c5
        self._constant = -c0 * c1 * math.log(c2)

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss; see :meth:`Loss.elementwise`."""
        return self._constant - self._log_factor * h.log() + self._ratio_factor * y / _seen(h, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log h; see :meth:`Loss.elementwise_log`."""
        return self._constant - self._log_factor * log_h + self._ratio_factor * _label_ratio(log_h, y)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return c_0 c_1 / h + (c_0 c_3 c_4 / c_5) y / h^2; see :meth:`Loss.gamma`."""
        return self._log_factor / h + self._ratio_factor * _labels_like(h, y) / _seen(h, y) ** 2

    def hyperparameters(self) -> dict[str, Any]:
        """Return the six coefficients."""
        return {"coefficients": list(self.coefficients)}

    def expression(self) -> "sympy.Expr":
        """Return the loss with its factors multiplied out; see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return self._constant - self._log_factor * sympy.log(h) + self._ratio_factor * y / h


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
        seen = _seen(h, y)
        return self._focused(seen.log(), 1.0 - seen, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -y r^g log(1 - r), 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        log_h = _seen_log(log_h, y)
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
        return y * (self.epsilon * (1.0 - h) - _seen(h, y).log())

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log h, 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        log_h = _seen_log(log_h, y)
        return -y * (self.epsilon * log_h.expm1() + log_h)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return y / h + epsilon y, 0 where y is 0; see :meth:`Loss.gamma`."""
        y = _labels_like(h, y)
        return y / _seen(h, y) + self.epsilon * y

    def hyperparameters(self) -> dict[str, Any]:
        """Return epsilon."""
        return {"epsilon": self.epsilon}

    def expression(self) -> "sympy.Expr":
        """Return y (-log h + epsilon (1 - h)); see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return y * (self.epsilon * (1 - h) - sympy.log(h))


def _seen(h: Tensor, y: Tensor) -> Tensor:
    """Put 1 where y is 0: there 0 times an infinite logarithm or ratio would be NaN, forward or backward."""
    return torch.where(torch.as_tensor(y, device=h.device) == 0, 1.0, h)


def _seen_log(log_h: Tensor, y: Tensor) -> Tensor:
    """Put 0 where y is 0: there a class masked by a logit of minus infinity would give NaN."""
    return torch.where(y == 0, 0.0, log_h)


def _label_ratio(log_h: Tensor, y: Tensor) -> Tensor:
    """Return y / h, 0 where y is 0."""
    return y * torch.where(y == 0, 0.0, -log_h).exp()


def _labels_like(h: Tensor, y: Tensor) -> Tensor:
    return torch.as_tensor(y, dtype=h.dtype, device=h.device)
