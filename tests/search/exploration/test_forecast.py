"""What a search within a time will take, by a sum of its parts, and how many generations fit."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from glo_lightning.errors import SettingsError
from glo_lightning.search.exploration.budget import working_time
from glo_lightning.search.exploration.forecast import Forecast
from glo_lightning.search.exploration.pace import Pace
from glo_lightning.search.progress import trainings_ahead
from glo_lightning.search.settings import SearchSettings

SMALL: dict[str, Any] = {"population_size": 10, "finalists": 2, "finalist_seeds": 3, "comparison_seeds": 0}


def test_without_rivals_a_search_is_its_candidates_and_its_finalists() -> None:
    settings = SearchSettings(time_budget=100, **SMALL)
    forecast = Forecast.at_first(settings, 4.0, Pace(0.5, 0.5, spent=2.0))
    assert forecast.seconds(3) == pytest.approx(2.0 + 0.5 * (3 * 10 + 2 * 3))
    assert forecast.fitting() == 19  # 2 + 0.5 (190 + 6) = 100


def test_the_rival_is_tuned_as_long_as_the_search_trained_and_at_its_own_pace() -> None:
    settings = SearchSettings(time_budget=100, **{**SMALL, "comparison_seeds": 2}, rival_budget=0.5)
    half = Forecast(settings, 4.0, Pace(0.5, 0.7, spent=20.0), generations=4, trained=20, next_trained=8)
    fixed = trainings_ahead(settings, 4.0, trained=0)
    for more in (0, 1, 5):
        trained = 20 + 8 * more
        assert half.seconds(4 + more) == pytest.approx(20.0 + 0.5 * 8 * more + 0.7 * (0.5 * trained + fixed))


@given(
    st.floats(1.0, 1e5), st.floats(1e-3, 10.0), st.floats(0.1, 3.0), st.integers(0, 50), st.floats(0.1, 10),
    st.sampled_from(["taylor", "glo"]), st.floats(0.0, 2.0),
)  # fmt: skip
def test_what_fits_fits_and_one_more_does_not(
    budget: float, search: float, ratio: float, done: int, next_trained: float, family: Any, share: float
) -> None:
    settings = SearchSettings(family=family, time_budget=budget, rival_budget=share)
    forecast = Forecast(settings, 4.0, Pace(search, ratio * search, 1.0), done, done * next_trained, next_trained)
    fitting = forecast.fitting()
    assert forecast.seconds(fitting + 1) > budget * (1 - 1e-9)
    assert fitting == done or forecast.seconds(fitting) <= budget * (1 + 1e-9)
    limited = replace(forecast, settings=replace(settings, generations=3))
    assert limited.fitting() == min(3, fitting)


def test_a_time_too_short_for_one_generation_is_refused_with_what_it_takes() -> None:
    settings = SearchSettings(time_budget="7s", **SMALL)
    with pytest.raises(SettingsError, match=r"time_budget of 10s or more, .* at 500 ms for a training, got 7\.0 s\."):
        Forecast.at_first(settings, 4.0, Pace(0.5, 0.5, spent=2.0)).require_one()
    Forecast.at_first(replace(settings, time_budget="10s"), 4.0, Pace(0.5, 0.5, spent=2.0)).require_one()


def test_a_pace_follows_what_was_measured() -> None:
    first = Pace(search=1.0, verdict=1.5, spent=3.0)
    # 10 candidates in 25 s, 20 of them in training, by twice as many in a generation as the rival has
    later = first.after(seconds=25.0, training=20.0, trained=10, rivals=2.0)
    assert later.search == 2.5
    assert later.verdict == pytest.approx(1.5 * 2.0 + 2.0 * 5.0 / 10)
    assert later.spent == 28.0
    assert first.after(seconds=2.0, training=0.0, trained=0, rivals=2.0) == replace(first, spent=5.0)


def test_working_time_is_the_union_of_trainings_and_short_waits_and_knows_no_pauses() -> None:
    study = optuna.create_study()
    begin = datetime(2026, 1, 1)

    def add(start: float, end: float, state: TrialState = TrialState.COMPLETE) -> None:
        value = 0.0 if state == TrialState.COMPLETE else None
        trial = create_trial(state=state, value=value)
        trial.datetime_start, trial.datetime_complete = (begin + timedelta(seconds=each) for each in (start, end))
        study.add_trial(trial)

    assert working_time(study) == 0.0
    for start, end in ((0, 4), (2, 5), (3, 4)):  # at the same time
        add(start, end)
    assert working_time(study) == pytest.approx(5.0)
    add(6, 8, TrialState.PRUNED)  # after a short wait
    assert working_time(study) == pytest.approx(8.0)
    add(9, 90_000, TrialState.FAIL)  # given back the next day
    add(90_000, 90_003)
    assert working_time(study) == pytest.approx(11.0)
