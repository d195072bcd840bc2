"""What a space is: the meaning of what a sampler proposes."""

from collections.abc import Mapping
from typing import Any, Protocol

from optuna.distributions import FloatDistribution

from glo_lightning.losses import Loss

UNBOUNDED = FloatDistribution(-1e12, 1e12)
"""CMA-ES is unbounded; Optuna wants bounds, so these are too wide to bind."""


class LossSpace(Protocol):
    """What a sampler's proposals mean."""

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss that a proposal describes."""
        ...


class VectorSpace(LossSpace, Protocol):
    """A family of losses as a space of real vectors."""

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        """Names and ranges of the parameters, in the order of the vector."""
        ...

    @property
    def cross_entropy(self) -> list[float]:
        """The point whose loss is cross-entropy, or its expansion."""
        ...

    @property
    def known(self) -> list[list[float]]:
        """Points of losses that the literature recommends, if any are members."""
        ...

    @property
    def scales(self) -> dict[str, float]:
        """What CMA-ES counts as 1 in some parameters; in all others it is 1."""
        ...
