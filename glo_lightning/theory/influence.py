"""What a loss of real-valued predictions does to small residuals and to outliers: its influence function."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses import Loss, RegressionLoss, StandardizedLoss
from glo_lightning.losses.scaled import unscaled

Tail = Literal["grows", "bounded", "redescends"]

RESIDUALS = (-3.0, -1.0, 1.0, 3.0, 10.0)
"""Where tables show the influence, in standard deviations of the targets."""

FAR = (1e6, 1e8)
"""Between these residuals an influence shows by which power it grows or falls."""

FLAT = 1e-3
"""Powers that count as none."""


@dataclass(frozen=True)
class InfluenceSummary:
    """What a loss does to residuals.

    Attributes:
        formula: in one line of Unicode.
        influence: psi at :data:`RESIDUALS`, in their order.
        tail: what becomes of psi for gross outliers: it grows without end, is bounded, or comes back to 0.
        strongest: the residual, 0 or above, that pulls the most; infinity where larger ones always pull more or alike.
        asymmetry: |psi(3)| / |psi(-3)|; above 1 predictions that are too large cost more. NaN without a pull there.
    """

    formula: str
    influence: tuple[float, ...]
    tail: Tail
    strongest: float
    asymmetry: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: NaN becomes null, infinity the text ``"inf"``."""
        values = asdict(self)
        for name in ("strongest", "asymmetry"):
            if not math.isfinite(values[name]):
                values[name] = None if math.isnan(values[name]) else str(values[name])
        return {**values, "influence": dict(zip(map(str, RESIDUALS), self.influence, strict=True))}


def influence(loss: Loss, r: Tensor) -> Tensor:
    """Return psi, the slope of a loss of real-valued predictions, in units of the targets' spread.

    Args:
        loss: a loss of the residual, or a standardised one, whose target is the mean; or one times a constant.
        r: residuals in units of sigma, any shape.

    Raises:
        LossError: if it is a loss of classes.

    Example:
        >>> from glo_lightning.losses import ResidualLoss, ScaledLoss
        >>> influence(ScaledLoss(ResidualLoss(alpha=0.0), 2.0), torch.tensor([0.5, 10.0]))
        tensor([0.8000, 0.1980])
    """
    inside, factor = _of_predictions(loss)
    return factor * inside.influence(r)


def rho(loss: Loss, r: Tensor) -> Tensor:
    """Return the value of a loss of real-valued predictions; see :func:`influence`."""
    inside, factor = _of_predictions(loss)
    return factor * inside.rho(r)


def summarize_influence(loss: Loss) -> InfluenceSummary:
    """Say what a loss does to small residuals and to outliers before anyone trains with it.

    Args:
        loss: a loss of the residual, or one times a constant.

    Example:
        >>> from glo_lightning.losses import HuberLoss, ResidualLoss
        >>> summarize_influence(HuberLoss(1.0)).tail, summarize_influence(ResidualLoss(alpha=-2.0)).tail
        ('bounded', 'redescends')

    Source: derivations.md, section 11.
    """
    grid = torch.logspace(-4.0, 4.0, 3201, dtype=torch.float64)
    pull = influence(loss, grid).abs()
    tail = _tail(loss)
    before, after = influence(loss, torch.tensor([-3.0, 3.0], dtype=torch.float64)).abs().tolist()
    return InfluenceSummary(
        formula=loss.formula("unicode"),
        influence=tuple(influence(loss, torch.tensor(RESIDUALS, dtype=torch.float64)).tolist()),
        tail=tail,
        strongest=float(grid[pull.argmax()]) if tail == "redescends" else math.inf,
        asymmetry=after / before if before else math.nan,
    )


def _tail(loss: Loss) -> Tail:
    near, far = influence(loss, torch.tensor(FAR, dtype=torch.float64)).abs().tolist()
    if near == 0.0 or far == 0.0:
        return "redescends"
    power = math.log(far / near) / math.log(FAR[1] / FAR[0])
    return "bounded" if abs(power) < FLAT else "grows" if power > 0.0 else "redescends"


def _of_predictions(loss: Loss) -> tuple[RegressionLoss | StandardizedLoss, float]:
    inside, factor = unscaled(loss)
    if not isinstance(inside, RegressionLoss | StandardizedLoss):
        raise LossError(
            "a loss of real-valued predictions", type(inside).__name__, "Use summarize for losses of classes."
        )
    return inside, factor
