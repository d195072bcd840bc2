"""Order the candidates of a generation from best to worst, whatever became of them."""

import math
from collections.abc import Sequence
from typing import TypeVar

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.engines import Outcome

C = TypeVar("C")

DIVERGED = "diverged"
"""Trial attribute of people: true where a training ended without a metric of its own, whatever value it was told."""


def judge(candidates: Sequence[C], trials: Sequence[FrozenTrial], direction: StudyDirection) -> list[Outcome[C]]:
    """Rank a generation: completed, then stopped early, diverged, in violation of a constraint, failed.

    Completed and diverged candidates are ordered by value; stopped ones by how far they came, then by their last value;
    those in violation by how much they violate. Equal candidates keep the order of their index, so that the ranks
    do not depend on who finished first.

    Args:
        candidates: the generation, in order of index.
        trials: the finished trial of each candidate.
        direction: whether the study's values are minimised or maximised.

    Returns:
        One outcome per candidate, in order of index.
    """
    sign = 1.0 if direction == StudyDirection.MINIMIZE else -1.0
    places = [_place(trial, sign) for trial in trials]
    order = sorted(range(len(trials)), key=places.__getitem__)
    ranks = {index: rank for rank, index in enumerate(order)}
    return [
        Outcome(candidate, ranks[index], -sign * trial.values[0] if places[index][0] == 0 else None)
        for index, (candidate, trial) in enumerate(zip(candidates, trials, strict=True))
    ]


def _place(trial: FrozenTrial, sign: float) -> tuple[int, float, float]:
    """Return a sort key: the class of the ending, then two numbers that are lower for better candidates."""
    violation = sum(max(amount, 0.0) for amount in trial.constraints.values())
    if trial.state == TrialState.FAIL:
        return 4, 0.0, 0.0
    if violation > 0.0:
        return 3, violation, 0.0
    if trial.state == TrialState.COMPLETE:
        return 2 if trial.user_attrs.get(DIVERGED) else 0, sign * trial.values[0], 0.0
    step = trial.last_step
    if step is None:  # stopped without a word: nothing speaks for it
        return 3, math.inf, 0.0
    last = sign * trial.intermediate_values[step]
    return 1, -step, math.inf if math.isnan(last) else last
