import math

import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from glo_lightning.search.samplers.ranking import judge

MIN, MAX = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def completed(value: float, **constraints: float) -> FrozenTrial:
    return create_trial(value=value, constraints=constraints)


def diverged(value: float) -> FrozenTrial:
    return create_trial(value=value, user_attrs={"diverged": True})


def stopped(reports: dict[int, float], **constraints: float) -> FrozenTrial:
    return create_trial(state=TrialState.PRUNED, intermediate_values=reports, constraints=constraints)


def ranks(trials: list[FrozenTrial], direction: StudyDirection) -> list[int]:
    return [outcome.rank for outcome in judge(range(len(trials)), trials, direction)]


def test_from_completed_to_failed() -> None:
    best_to_worst = [
        completed(0.1),
        completed(0.2),
        completed(math.inf),
        stopped({1: 0.9, 5: 0.5}),
        stopped({5: 0.6}),
        stopped({5: math.nan}),
        stopped({4: 0.0}),
        diverged(0.0),
        diverged(1e6),
        stopped({}, invariant=0.5, other=-3.0),
        completed(0.0, invariant=0.6),
        stopped({9: 0.0}, invariant=0.4, other=0.4),
        stopped({}),
        create_trial(state=TrialState.FAIL),
    ]
    assert ranks(best_to_worst, MIN) == list(range(14))
    assert ranks(best_to_worst[::-1], MIN) == list(range(14))[::-1]


def test_maximised_studies_reverse_values_but_not_endings() -> None:
    best_to_worst = [
        completed(0.2),
        completed(0.1),
        stopped({5: 0.6}),
        stopped({5: 0.5}),
        stopped({4: 9.0}),
        diverged(9.0),
        stopped({}, invariant=0.5),
        create_trial(state=TrialState.FAIL),
    ]
    assert ranks(best_to_worst, MAX) == list(range(8))


def test_equals_have_equal_ranks() -> None:
    assert ranks([completed(1.0), completed(0.0), completed(1.0), completed(0.0)], MIN) == [2, 0, 2, 0]
    assert ranks([completed(1.0)] * 3, MIN) == [0, 0, 0]


FAILED = create_trial(state=TrialState.FAIL)


@pytest.mark.parametrize("trials", [[FAILED] * 2, [diverged(1.0), diverged(2.0)], [stopped({}), diverged(1.0), FAILED]])
def test_where_no_candidate_has_a_number_of_its_own_there_is_no_ranking(trials: list[FrozenTrial]) -> None:
    assert ranks(trials, MIN) == [0] * len(trials)
    assert ranks([*trials, completed(9.0)], MIN)[-1] == 0
    assert 0 not in ranks([*trials, completed(9.0)], MIN)[:-1]


@pytest.mark.parametrize(("direction", "score"), [(MIN, -0.25), (MAX, 0.25)])
def test_only_completed_candidates_have_a_score_and_higher_is_better(direction: StudyDirection, score: float) -> None:
    trials = [
        completed(0.25),
        completed(0.5, invariant=1.0),
        stopped({0: 0.5}),
        create_trial(state=TrialState.FAIL),
    ]
    assert [outcome.score for outcome in judge("abcd", trials, direction)] == [score, None, None, None]
    assert [outcome.candidate for outcome in judge("abcd", trials, direction)] == list("abcd")
