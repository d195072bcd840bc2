"""Ranking of a generation from best to worst, whatever became of its candidates."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeVar

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.engines import Outcome

C = TypeVar("C")

DIVERGED = "diverged"
"""Trial attribute of people: true where a training ended without a metric of its own, whatever value it was told."""


class Ending(IntEnum):
    """What became of a candidate, from the best to the worst."""

    COMPLETED = 0
    STOPPED_EARLY = 1
    DIVERGED = 2
    VIOLATED = 3
    STOPPED_SILENTLY = 4
    FAILED = 5


INFORMATIVE = (Ending.COMPLETED, Ending.STOPPED_EARLY, Ending.VIOLATED)
"""Endings with a number of the candidate's own: a value, a report, or how much it violates its constraints."""


class _Place(NamedTuple):
    """A sort key: the ending, then two numbers that are lower for better candidates."""

    ending: Ending
    first: float = 0.0
    second: float = 0.0


def judge(candidates: Sequence[C], trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[Outcome[C]]:
    """Rank a generation: completed, then stopped early, diverged, in violation of a constraint, failed.

    Completed and diverged candidates are ordered by value; stopped ones by how far they came, then by their last value;
    those in violation by how much they violate. Equal candidates have equal ranks, so that ranks do not depend on who
    finished first. Where no candidate has a number of its own, because all failed, diverged or were stopped without a
    word, there is no ranking: crashes and invented values say nothing of a candidate.

    Args:
        candidates: the generation, in order of index.
        trials: the finished trial of each candidate.
        direction: whether the study's values are minimised or maximised.

    Returns:
        One outcome per candidate, in order of index.
    """
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    places = [_place(trial, sign) for trial in trials]
    is_ranking = any(place.ending in INFORMATIVE for place in places)
    order = sorted(places)
    return [
        Outcome(
            candidate,
            bisect_left(order, place) if is_ranking else 0,
            -sign * trial.values[0] if place.ending is Ending.COMPLETED else None,
        )
        for candidate, trial, place in zip(candidates, trials, places, strict=True)
    ]


def _place(trial: FrozenTrial, sign: float) -> _Place:
    violation = sum(max(amount, 0.0) for amount in trial.constraints.values())
    if trial.state == TrialState.FAIL:
        return _Place(Ending.FAILED)
    if violation > 0.0:
        return _Place(Ending.VIOLATED, violation)
    if trial.state == TrialState.COMPLETE:
        ending = Ending.DIVERGED if trial.user_attrs.get(DIVERGED) else Ending.COMPLETED
        return _Place(ending, sign * trial.values[0])
    step = trial.last_step
    if step is None:
        return _Place(Ending.STOPPED_SILENTLY)
    last = sign * trial.intermediate_values[step]
    return _Place(Ending.STOPPED_EARLY, -step, math.inf if math.isnan(last) else last)
