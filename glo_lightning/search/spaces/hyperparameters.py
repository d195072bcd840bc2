"""Hyperparameters of the model that are searched along with the loss."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from optuna.distributions import FloatDistribution

from glo_lightning.errors import SettingsError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR, Hyperparameters, learning_rate_factor
from glo_lightning.options import option
from glo_lightning.search.ranges import Range
from glo_lightning.training.task import Task

RATE_FACTORS = Range(1e-4, 1e4, log=True, scale=1.0)
"""Where the factor of the learning rate may be; its logarithm weighs as a drive loss's scale would."""


class HyperparameterSpace:
    """Hyperparameters as further components of CMA-ES's vector.

    One that is configured as a list of numbers is a component for each of them; one that is configured as a whole
    number stays whole.

    Args:
        ranges: where each may be, by name.
        configured: what each is without a search, which is where the search starts.

    Attributes:
        distributions: names and ranges of the components.
        scales: what CMA-ES counts as 1 in each.
        start: the configured values of the components.

    Raises:
        SettingsError: if a configured value is no number or list of numbers, or out of its range.

    Example:
        >>> ranges, configured = {"model.milestones": Range(0, 40, increasing=True)}, {"model.milestones": [8, 12]}
        >>> space = HyperparameterSpace(ranges, configured)
        >>> list(space.distributions)
        ['model.milestones[0]', 'model.milestones[1]']
        >>> space.build({"model.milestones[0]": 17.2, "model.milestones[1]": 9.7})
        {'model.milestones': [10, 17]}
    """

    def __init__(self, ranges: Mapping[str, Range] | None = None, configured: Hyperparameters | None = None) -> None:
        self._ranges = dict(ranges or {})
        self._configured = dict(configured or {})
        self.distributions: dict[str, FloatDistribution] = {}
        self.scales: dict[str, float] = {}
        self.start: list[float] = []
        for name, range_ in self._ranges.items():
            values = _numbers(name, self._configured[name], range_)
            for component, value in zip(self._components(name), values, strict=True):
                self.distributions[component] = FloatDistribution(range_.low, range_.high, log=range_.log)
                self.scales[component] = range_.unit
                self.start.append(value)

    def build(self, parameters: Mapping[str, float]) -> dict[str, Any]:
        """Return the hyperparameters that the components spell, as JSON values.

        Args:
            parameters: the components, and others that are left alone.
        """
        return {name: self._build(name, [parameters[each] for each in self._components(name)]) for name in self._ranges}

    def corners(self) -> list[dict[str, Any]]:
        """Return the hyperparameters at their least and at their greatest values."""
        limits = self.distributions.items()
        return [self.build({name: each.low for name, each in limits}), self.build({n: each.high for n, each in limits})]

    def _components(self, name: str) -> list[str]:
        configured = self._configured[name]
        return [f"{name}[{place}]" for place in range(len(configured))] if _is_list(configured) else [name]

    def _build(self, name: str, values: list[float]) -> Any:
        configured = self._configured[name]
        numbers = [round(value) for value in values] if _is_whole(configured) else values
        if not _is_list(configured):
            return numbers[0]
        return sorted(numbers) if self._ranges[name].increasing else numbers


def hyperparameters_of(task: Task, ranges: Mapping[str, Range]) -> HyperparameterSpace:
    """Return the hyperparameters of a task that will be searched.

    Args:
        task: whose model takes them.
        ranges: where each may be, by name.

    Raises:
        SettingsError: if there is no such hyperparameter, its configured value does not fit its range, or the model
            refuses the limits of the ranges.
    """
    configured = {name: 1.0 if name == LEARNING_RATE_FACTOR else task.configured(name) for name in ranges}
    space = HyperparameterSpace(ranges, configured)
    for corner in space.corners() if set(ranges) - {LEARNING_RATE_FACTOR} else []:
        try:
            task.build_model(learning_rate_factor(corner)[1])
        except Exception as error:  # whatever the user's model raises
            raise SettingsError(
                f"a model that can be built with {corner}",
                f"{type(error).__name__}: {error}",
                f"Narrow the ranges of {option('joint')}.",
            ) from error
    return space


def _numbers(name: str, configured: Any, range_: Range) -> list[float]:
    values = list(configured) if _is_list(configured) else [configured]
    if not values or not all(isinstance(value, Real) and not isinstance(value, bool) for value in values):
        raise SettingsError(
            f"{name} to be configured as a number or a list of numbers, where the search starts",
            repr(configured),
            f"Configure it, or leave it out of {option('joint')}.",
        )
    if not all(range_.low <= value <= range_.high for value in values):
        raise SettingsError(
            f"{name}, where the search starts, from {range_.low:g} to {range_.high:g}",
            repr(configured),
            "Configure another value, or widen its range.",
        )
    if _is_whole(configured) and not (float(range_.low).is_integer() and float(range_.high).is_integer()):
        raise SettingsError(
            f"whole numbers as the range of {name}, which is configured as a whole number",
            f"{range_.low:g} to {range_.high:g}",
            f"Configure it as {float(values[0])} to search fractions.",
        )
    return [float(value) for value in values]


def _is_list(configured: Any) -> bool:
    return isinstance(configured, list | tuple)


def _is_whole(configured: Any) -> bool:
    return all(isinstance(value, int) for value in (configured if _is_list(configured) else [configured]))
