"""Turn the numbers a sampler proposes into a loss."""

from collections.abc import Mapping
from typing import Protocol

from optuna.distributions import FloatDistribution

from glo_lightning.losses import Loss, TaylorLoss, num_parameters
from glo_lightning.search.settings import Input, SearchSettings

UNBOUNDED = FloatDistribution(-1e12, 1e12)
"""CMA-ES is unbounded; Optuna wants bounds, so these are too wide to bind."""


class LossSpace(Protocol):
    """A family of losses as a vector space of parameters."""

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        """Names and ranges of the parameters, in the order of the vector."""
        ...

    def build(self, parameters: Mapping[str, float]) -> Loss:
        """Make the loss that a trial's parameters describe."""
        ...


class TaylorSpace:
    """TaylorGLO's space: theta itself, centres first.

    Args:
        order: order K of the polynomial, 1 or more.
        inputs: its variables, out of y, h, f and t.

    Example:
        >>> space = TaylorSpace(order=3, inputs=("y", "h"))
        >>> len(space.distributions)
        8
        >>> space.build(dict.fromkeys(space.distributions, 0.0)).order
        3
    """

    def __init__(self, order: int = 3, inputs: tuple[Input, ...] = ("y", "h")) -> None:
        self.order = order
        self.inputs = inputs
        self.distributions = {f"theta_{k}": UNBOUNDED for k in range(num_parameters(order, inputs))}

    def build(self, parameters: Mapping[str, float]) -> TaylorLoss:
        """Make the Taylor loss whose theta the parameters spell."""
        theta = [parameters[name] for name in self.distributions]
        return TaylorLoss(theta, order=self.order, inputs=self.inputs)


def make_space(settings: SearchSettings) -> LossSpace:
    """Return the space that the settings ask for."""
    return TaylorSpace(settings.order, settings.inputs)
