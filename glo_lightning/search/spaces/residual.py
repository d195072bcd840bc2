"""Residual losses as a space of vectors."""

import math
from collections.abc import Mapping, Sequence

from optuna.distributions import FloatDistribution

from glo_lightning.losses import ResidualLoss

ALPHA = FloatDistribution(-16.0, 4.0)

LOG_SCALE = FloatDistribution(-6.0, 6.0)
"""From a thousandth of the targets' spread, where alpha = 1 is the absolute error, to where no shape matters."""

SKEW = FloatDistribution(-0.95, 0.95)
"""Within (-1, 1), where both sides pull."""


class ResidualSpace:
    """The residual family: shape, logarithm of the scale, and skew.

    The size of steps, which is a matter of the learning rate alone, is searched as such.

    Args:
        sigma: standard deviation of the training targets, one number or one for each predicted number.

    Example:
        >>> space = ResidualSpace(sigma=77.0)
        >>> list(space.distributions)
        ['alpha', 'log_scale', 'skew']
        >>> space.build(dict(zip(space.distributions, space.cross_entropy)))
        ResidualLoss(alpha=2.0, scale=1.0, skew=0.0, sigma=77.0, reduction='mean')

    Source: derivations.md, section 11.
    """

    def __init__(self, sigma: float | Sequence[float] = 1.0) -> None:
        self.sigma = sigma
        self.distributions = {"alpha": ALPHA, "log_scale": LOG_SCALE, "skew": SKEW}
        # A whole step of alpha changes a loss less than one of the others.
        self.scales = {"alpha": 2.0, "skew": 0.25}

    @property
    def cross_entropy(self) -> list[float]:
        """The squared error, which is to numbers what cross-entropy is to classes."""
        return [2.0, 0.0, 0.0]

    @property
    def known(self) -> list[list[float]]:
        """None that has been measured."""
        return []

    def build(self, parameters: Mapping[str, float]) -> ResidualLoss:
        """Make the residual loss with these parameters."""
        return ResidualLoss(
            parameters["alpha"], math.exp(parameters["log_scale"]), parameters["skew"], sigma=self.sigma
        )
