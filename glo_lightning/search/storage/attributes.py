"""What trials and studies remember, read strictly: anybody may have written into a storage."""

import math
from collections.abc import Collection
from typing import Any, NoReturn, TypeGuard

import optuna
from optuna.trial import FrozenTrial

from glo_lightning.errors import StudyError


class Attributes:
    """The user attributes of a trial or a study, or those inside one of them, each of the type it is asked for.

    Args:
        values: what is stored.
        where: whose they are, in words.

    Raises:
        StudyError: if it is no table of values; so does every method where a value is missing or of another type.

    Example:
        >>> training = Attributes({"seconds": 0.5, "status": "completed"}, "trial 3 of study 'mine'")
        >>> training.number("seconds"), training.text("status"), training.text("reason", "")
        (0.5, 'completed', '')
        >>> training.count("seed")
        Traceback (most recent call last):
        glo_lightning.errors.StudyError: Expected seed, a whole number of 0 or more, in trial 3 of study 'mine', got ...
    """

    def __init__(self, values: object, where: str) -> None:
        self.where = where
        if not isinstance(values, dict):
            self._refuse("attributes by name", values)
        self.values: dict[str, Any] = values

    @classmethod
    def of_trial(cls, study_name: str, trial: FrozenTrial) -> "Attributes":
        """Return a trial's."""
        return cls(trial.user_attrs, f"trial {trial.number} of study {study_name!r}")

    @classmethod
    def of_study(cls, study: optuna.Study) -> "Attributes":
        """Return a study's."""
        return cls(study.user_attrs, f"study {study.study_name!r}")

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a value of this name."""
        return name in self.values

    def inside(self, name: str) -> "Attributes":
        """Return the attributes inside one; none if it is missing."""
        return Attributes(self.values.get(name, {}), f"{name} of {self.where}")

    def text(self, name: str, default: str | None = None, out_of: Collection[str] | None = None) -> str:
        """Return a text, out of some where they are given."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or (out_of is not None and value not in out_of):
            self._refuse(f"{name}, {'a text' if out_of is None else 'one of ' + ', '.join(out_of)},", value)
        return value

    def count(self, name: str, least: int = 0) -> int:
        """Return a whole number, not below ``least``."""
        value = self.values.get(name)
        if not _is_count(value, least):
            self._refuse(f"{name}, a whole number of {least} or more,", value)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number."""
        value = self.values.get(name, default)
        if not _is_number(value):
            self._refuse(f"{name}, a finite number,", value)
        return float(value)

    def numbers(self, name: str) -> dict[str, float]:
        """Return finite numbers by name; none if they are missing."""
        inside = self.inside(name)
        return {each: inside.number(each) for each in inside.values}

    def counts(self, name: str) -> dict[str, int]:
        """Return whole numbers of 0 or more by name; none if they are missing."""
        inside = self.inside(name)
        return {each: inside.count(each) for each in inside.values}

    def curve(self, name: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        values = self.values.get(name)
        if not isinstance(values, list) or not all(map(_is_number, values)):
            self._refuse(f"{name}, a list of finite numbers,", values)
        return tuple(map(float, values))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self.values.get(name)
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            self._refuse(f"{name}, a list of texts,", values)
        return tuple(values)

    def slots(self, name: str, before: int) -> list[list[int]]:
        """Return a list of slots, pairs of generation and index, whose generations are before another."""
        values = self.values.get(name)
        if not isinstance(values, list) or not all(_is_slot(each) and each[0] < before for each in values):
            self._refuse(f"{name}, a list of slots before generation {before},", values)
        return values

    def _refuse(self, wanted: str, value: object) -> NoReturn:
        raise StudyError(
            f"{wanted} in {self.where}",
            f"{value!r:.60}",
            "Somebody changed the study: delete the trial, or start anew under another --search.study_name.",
        )


def _is_count(value: object, least: int = 0) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_slot(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))
