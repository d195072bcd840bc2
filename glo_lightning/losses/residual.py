"""Residual losses: from the squared error to losses that let outliers go, by three numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.options import Reduction
from glo_lightning.losses.precision import finite_number, numbers_like
from glo_lightning.losses.regression import RegressionLoss

if TYPE_CHECKING:
    import sympy

ALPHAS = (-64.0, 4.0)
"""Below, the loss is Welsch's to three digits; above, a single outlier decides all."""

SCALES = (1e-6, 1e6)

NEARLY_ZERO = 1e-9
"""An alpha below which the loss is Cauchy's to the last digit."""


class ResidualLoss(RegressionLoss):
    r"""A loss of the residual whose influence is bent by a shape, a scale and a skew.

    .. math:: \psi(r) = r \left(1 + \Big(\frac{r}{c}\Big)^2\right)^{\frac{\alpha - 2}{2}} (1 + k \, \mathrm{sign}\, r),
        \qquad \rho(r) = \frac{c^2}{\alpha} \left(\Big(1 + \Big(\frac{r}{c}\Big)^2\Big)^{\alpha / 2} - 1\right)
        (1 + k \, \mathrm{sign}\, r), \qquad L = 2 \sigma^2 \rho\Big(\frac{f - y}{\sigma}\Big)

    Alpha = 2 is the squared error, 1 the pseudo-Huber loss, 0 Cauchy's, -2 Geman and McClure's. Small residuals
    pull with a force of r whatever the numbers are; from c on, those of an alpha below 2 pull less. Below alpha = 1
    the influence comes back down, and gross outliers are let go.

    Args:
        alpha: from -64 to 4.
        scale: c, the residual from which on shape matters, in units of sigma; above 0.
        skew: k, in (-1, 1); above 0 predictions that are too large cost more.
        sigma: standard deviation of the training targets, one number or one for each of D predictions.
        reduction: as in :class:`RegressionLoss`.

    Raises:
        LossError: if a number is out of its range.

    Example:
        >>> prediction, target = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 2.0])
        >>> ResidualLoss()(prediction, target), ResidualLoss(alpha=-2.0)(prediction, target)
        (tensor(0.5000), tensor(0.2500))

    Source: the general robust loss of Barron, arXiv:1701.03077, with a scale that does not depend on alpha, and a
        skew; derivations.md, section 11.
    """

    family: ClassVar[str] = "residual"
    factor: ClassVar[float] = 2.0
    alpha: Tensor
    scale: Tensor
    skew: Tensor

    def __init__(
        self,
        alpha: float = 2.0,
        scale: float = 1.0,
        skew: float = 0.0,
        sigma: float | Sequence[float] = 1.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(sigma, reduction)
        for name, number, (low, high), cure in (
            ("alpha", alpha, ALPHAS, "Use 2 for the squared error, 1 for pseudo-Huber."),
            ("scale", scale, SCALES, "It is in standard deviations of the targets: try 1."),
        ):
            if not low <= finite_number(number, name) <= high:
                raise LossError(f"{name} from {low:g} to {high:g}", repr(number), cure)
        if not -1.0 < finite_number(skew, "skew") < 1.0:
            raise LossError("a skew in (-1, 1)", repr(skew), "Use 0 for a loss that treats both sides alike.")
        # Buffers, so that a population can stack what its losses differ in.
        for name, number in (("alpha", alpha), ("scale", scale), ("skew", skew)):
            self.register_buffer(name, torch.tensor(float(number), dtype=torch.float64, device="cpu"), persistent=False)

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss of residuals; see :meth:`RegressionLoss.rho`."""
        alpha, scale, skew = (numbers_like(each, r) for each in (self.alpha, self.scale, self.skew))
        is_cauchy = alpha.abs() < NEARLY_ZERO
        shape = torch.where(is_cauchy, 1.0, alpha)
        # The logarithm keeps small residuals exact, which a power of nearly 1 would round away.
        log_weight = ((r / scale) ** 2).log1p() / 2.0
        bent = torch.where(is_cauchy, log_weight, (shape * log_weight).expm1() / shape)
        return scale**2 * bent * (1.0 + skew * r.sign())

    def hyperparameters(self) -> dict[str, Any]:
        """Return alpha, scale and skew."""
        return {"alpha": float(self.alpha), "scale": float(self.scale), "skew": float(self.skew)}

    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return rho as an expression; see :meth:`RegressionLoss.of_residual`."""
        import sympy
        from sympy.codegen.cfunctions import expm1, log1p

        alpha, scale, skew = (float(each) for each in (self.alpha, self.scale, self.skew))
        one_sided = 1 + skew * sympy.sign(r) if skew else sympy.Integer(1)
        if alpha == 2.0:
            return r**2 / 2 * one_sided
        log_weight = log1p((r / scale) ** 2) / 2
        bent = log_weight if abs(alpha) < NEARLY_ZERO else expm1(alpha * log_weight) / alpha
        return scale**2 * bent * one_sided
