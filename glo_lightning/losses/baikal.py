"""What GLO discovered: Baikal, and Baikal with coefficients tuned by CMA-ES."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.expression.evaluation import largest_exponent
from glo_lightning.losses.labels import labels_like, seen, seen_log
from glo_lightning.losses.options import ClassReduction, Reduction
from glo_lightning.losses.precision import finite_number, listed

if TYPE_CHECKING:
    import sympy

BAIKAL_CMA_COEFFICIENTS = (2.7279, 0.9863, 1.5352, -1.1135, 1.3716, -0.8411)


class BaikalLoss(Loss):
    r"""The loss that GLO discovered on MNIST, which regularizes by repelling certainty.

    .. math:: \ell(y, h) = -\left(\log h - \frac{y}{h}\right), \qquad \gamma = \frac{1}{h} + \frac{y}{h^2}

    Args:
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Example:
        >>> import torch
        >>> BaikalLoss().gamma(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([6., 2.])

    Source: GLO, section 4; derivations.md, section 2.
    """

    family: ClassVar[str] = "baikal"

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -(log h - y / h); see :meth:`Loss.elementwise`."""
        return y / seen(h, y) - h.log()

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate -(log h - y / h); see :meth:`Loss.elementwise_log`."""
        return _label_ratio(log_h, y) - log_h

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return 1 / h + y / h^2, the second term 0 where y is 0; see :meth:`Loss.gamma`."""
        return 1.0 / h + labels_like(h, y) / seen(h, y) ** 2

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
        >>> import torch
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
        return self._constant - self._log_factor * h.log() + self._ratio_factor * y / seen(h, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log h; see :meth:`Loss.elementwise_log`."""
        return self._constant - self._log_factor * log_h + self._ratio_factor * _label_ratio(log_h, y)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return c_0 c_1 / h + (c_0 c_3 c_4 / c_5) y / h^2; see :meth:`Loss.gamma`."""
        return self._log_factor / h + self._ratio_factor * labels_like(h, y) / seen(h, y) ** 2

    def hyperparameters(self) -> dict[str, Any]:
        """Return the six coefficients."""
        return {"coefficients": list(self.coefficients)}

    def expression(self) -> "sympy.Expr":
        """Return the loss with its factors multiplied out; see :meth:`Loss.expression`."""
        import sympy

        h, y = sympy.symbols("h y")
        return self._constant - self._log_factor * sympy.log(h) + self._ratio_factor * y / h


def _label_ratio(log_h: Tensor, y: Tensor) -> Tensor:
    """Return y / h, 0 where y is 0, and finite where h underflows."""
    return y * (-seen_log(log_h, y)).clamp(max=largest_exponent(log_h.dtype)).exp()
