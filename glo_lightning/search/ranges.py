"""Where a hyperparameter may be that is searched along with the loss. Imports nothing heavy: ``--help`` reads it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glo_lightning.checked import Checked, setting
from glo_lightning.errors import SettingsError
from glo_lightning.options import option


@dataclass(frozen=True)
class Range(Checked):
    """Where a hyperparameter may be, and how far CMA-ES moves it.

    Args:
        low: the least value.
        high: the greatest value, above low.
        log: whether its logarithm is searched; low must be above 0.
        scale: the change that weighs as much as 1 in theta, with log in natural logarithms; by default a quarter of
            the range.
        increasing: whether a list of values is put in order, as milestones must be.

    Raises:
        SettingsError: if these contradict each other.

    Example:
        >>> Range(1e-3, 1.0, log=True).unit
        1.7269388197455342
    """

    low: float
    high: float
    log: bool = False
    scale: float | None = setting(None, above=0)
    increasing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise SettingsError("a range with low below high", f"low {self.low!r}, high {self.high!r}", "Swap them.")
        if self.log and self.low <= 0.0:
            raise SettingsError(
                "a range with low above 0 for log=true", f"low {self.low!r}", "Raise low, or leave out log."
            )

    @property
    def unit(self) -> float:
        """The scale, as given or by default."""
        if self.scale is not None:
            return self.scale
        return (math.log(self.high / self.low) if self.log else self.high - self.low) / 4.0


def read_ranges(given: Mapping[str, Any]) -> dict[str, Range]:
    """Return ranges by name from what a user or a file gave, ranges or their arguments.

    Raises:
        SettingsError: if something is no range.
    """
    ranges = {}
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"{option('joint')} as ranges by the names of hyperparameters", repr(given), f"Leave {option('joint')} out."
        )
    for name, each in given.items():
        try:
            ranges[name] = each if isinstance(each, Range) else Range(**each)
        except TypeError as error:
            raise SettingsError(
                f"a range for {name!r} of {option('joint')}",
                repr(each),
                'Give one such as {"low": 0.001, "high": 1.0, "log": true}.',
            ) from error
        except SettingsError as error:
            raise SettingsError(f"for {name!r} of {option('joint')} {error.expected}", error.got, error.cure) from None
    return ranges
