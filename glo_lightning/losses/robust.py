"""Losses of the literature for real-valued predictions: absolute error, Huber's, log-cosh and quantiles."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses.options import Reduction
from glo_lightning.losses.precision import finite_number
from glo_lightning.losses.regression import RegressionLoss

if TYPE_CHECKING:
    import sympy


class AbsoluteErrorLoss(RegressionLoss):
    r"""The absolute error, which the median minimises.

    .. math:: \rho(r) = |r|, \qquad \psi(r) = \mathrm{sign}\, r, \qquad L = |f - y|

    Args:
        sigma: as in :class:`RegressionLoss`.
        reduction: as in :class:`RegressionLoss`.

    Example:
        >>> import torch
        >>> AbsoluteErrorLoss()(torch.tensor([1.0, 3.0]), torch.zeros(2))
        tensor(2.)
    """

    family: ClassVar[str] = "absolute_error"
    power: ClassVar[int] = 1

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate |r|; see :meth:`RegressionLoss.rho`."""
        return r.abs()

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: the absolute error has no parameters."""
        return {}

    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return |r|; see :meth:`RegressionLoss.of_residual`."""
        import sympy

        return sympy.Abs(r)


class HuberLoss(RegressionLoss):
    r"""The squared error of small residuals, and the absolute error of large ones.

    .. math:: \rho(r) = \min(|r|, \delta) \left(|r| - \tfrac12 \min(|r|, \delta)\right), \qquad
        \psi(r) = \max(-\delta, \min(r, \delta)), \qquad L = \sigma^2 \rho

    Args:
        delta: from where on residuals are large, in units of sigma; above 0.
        sigma: as in :class:`RegressionLoss`.
        reduction: as in :class:`RegressionLoss`.

    Raises:
        LossError: if ``delta`` is not positive, or infinite in single precision.

    Example:
        >>> import torch
        >>> HuberLoss(1.0)(torch.tensor([1.0, 3.0]), torch.zeros(2))
        tensor(1.5000)

    Source: Huber, "Robust Estimation of a Location Parameter", 1964.
    """

    family: ClassVar[str] = "huber"

    def __init__(self, delta: float = 1.0, sigma: float | Sequence[float] = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(sigma, reduction)
        self.delta = finite_number(delta, "delta")
        if not 0.0 < self.delta <= torch.finfo(torch.float32).max:
            raise LossError(
                "a delta above 0 that single precision can hold",
                repr(delta),
                "It is in standard deviations of the targets: try 1.",
            )

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss of residuals; see :meth:`RegressionLoss.rho`."""
        size = r.abs()
        small = size.clamp(max=self.delta)
        return small * (size - small / 2.0)

    def hyperparameters(self) -> dict[str, Any]:
        """Return delta."""
        return {"delta": self.delta}

    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return min(|r|, delta) (|r| - min(|r|, delta) / 2); see :meth:`RegressionLoss.of_residual`."""
        import sympy

        small = sympy.Min(sympy.Abs(r), sympy.Float(self.delta))
        return small * (sympy.Abs(r) - small / 2)


class LogCoshLoss(RegressionLoss):
    r"""A smooth loss between the squared and the absolute error.

    .. math:: \rho(r) = \log \cosh r, \qquad \psi(r) = \tanh r, \qquad L = \sigma^2 \rho

    Args:
        sigma: as in :class:`RegressionLoss`.
        reduction: as in :class:`RegressionLoss`.

    Example:
        >>> import torch
        >>> LogCoshLoss()(torch.tensor([1.0]), torch.zeros(1))
        tensor(0.4338)
    """

    family: ClassVar[str] = "log_cosh"

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss of residuals without overflow; see :meth:`RegressionLoss.rho`."""
        return r + functional.softplus(-2.0 * r) - math.log(2.0)

    def hyperparameters(self) -> dict[str, Any]:
        """Return nothing: log-cosh has no parameters."""
        return {}

    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return |r| + log(1 + exp(-2 |r|)) - log 2; see :meth:`RegressionLoss.of_residual`."""
        import sympy
        from sympy.codegen.cfunctions import log1p

        return sympy.Abs(r) + log1p(sympy.exp(-2 * sympy.Abs(r))) - sympy.Float(math.log(2.0))


class QuantileLoss(RegressionLoss):
    r"""The loss that a quantile of the targets minimises; at 1/2 it is half the absolute error.

    .. math:: \rho(r) = \tfrac12 |r| + \left(\tfrac12 - q\right) r, \qquad L = \sigma \rho

    Args:
        quantile: q, in (0, 1); above 1/2 predictions that are too small cost more.
        sigma: as in :class:`RegressionLoss`.
        reduction: as in :class:`RegressionLoss`.

    Raises:
        LossError: if ``quantile`` is out of its range.

    Example:
        >>> import torch
        >>> QuantileLoss(0.9)(torch.tensor([-1.0, 1.0]), torch.zeros(2))
        tensor(0.5000)

    Source: Koenker and Bassett, "Regression Quantiles", 1978.
    """

    family: ClassVar[str] = "quantile"
    power: ClassVar[int] = 1

    def __init__(
        self, quantile: float = 0.5, sigma: float | Sequence[float] = 1.0, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(sigma, reduction)
        self.quantile = finite_number(quantile, "quantile")
        if not 0.0 < self.quantile < 1.0:
            raise LossError("a quantile in (0, 1)", repr(quantile), "Use 0.5 for the median.")

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss of residuals; see :meth:`RegressionLoss.rho`."""
        return r.abs() / 2.0 + (0.5 - self.quantile) * r

    def hyperparameters(self) -> dict[str, Any]:
        """Return the quantile."""
        return {"quantile": self.quantile}

    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return |r| / 2 + (1/2 - q) r; see :meth:`RegressionLoss.of_residual`."""
        import sympy

        return sympy.Abs(r) / 2 + (0.5 - self.quantile) * r
