"""Parameters with ranges and units of their own."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.storage.open import open_storage

RATES = {"rate": FloatDistribution(1e-4, 1.0, log=True), "theta": FloatDistribution(-1e12, 1e12)}
MEAN, SCALES = [1e-3, 2.0], {"rate": math.log(10.0)}


def _search_rates(storage: object = None, claims: Sequence[int] = (1,)) -> optuna.Study:
    """Look for a rate of 0.05 and a theta of 1, claiming as many candidates at once as told, in turns."""
    sampler = GenerationalCmaEsSampler(
        RATES, population_size=8, sigma=1.0, mean=MEAN, scales=SCALES, seed=3, max_generations=25
    )
    study = optuna.create_study(storage=storage, sampler=sampler, study_name="rates", load_if_exists=True)  # type: ignore[arg-type]
    for count in itertools.cycle(claims):
        trials = sampler.claim(study, count)
        for trial in trials:
            rate, theta = trial.params["rate"], trial.params["theta"]
            study.tell(trial, math.log(rate / 0.05) ** 2 + (theta - 1.0) ** 2)
        if not trials:
            return study
    raise AssertionError


def test_logarithmic_and_scaled_parameters_are_searched_in_their_own_units() -> None:
    study = _search_rates()
    assert study.best_params["rate"] == pytest.approx(0.05, rel=0.01)
    first = [math.log10(trial.params["rate"]) for trial in study.trials[:8]]
    assert 0.3 < np.std(first) < 2.0, "one decade is one unit"
    assert all(1e-4 <= trial.params["rate"] <= 1.0 for trial in study.trials)
    assert study.trials[0].distributions["rate"].log, "so that a dashboard draws it so"


def test_logarithmic_parameters_are_the_same_however_they_are_claimed_and_after_a_stop(tmp_path: Path) -> None:
    expected = [trial.params for trial in _search_rates().trials]
    url = str(tmp_path / "study.db")
    sampler = GenerationalCmaEsSampler(
        RATES, population_size=8, sigma=1.0, mean=MEAN, scales=SCALES, seed=3, max_generations=4
    )
    study = optuna.create_study(storage=open_storage(url), sampler=sampler, study_name="rates")
    while trials := sampler.claim(study, 3):
        for trial in trials:
            study.tell(trial, math.log(trial.params["rate"] / 0.05) ** 2 + (trial.params["theta"] - 1.0) ** 2)
    continued = _search_rates(open_storage(url), claims=(1, 5, 3))
    assert [trial.params for trial in continued.trials] == expected


def test_feasibility_is_asked_of_parameters_and_not_of_coordinates() -> None:
    sampler = GenerationalCmaEsSampler(
        RATES, population_size=8, mean=MEAN, scales=SCALES, seed=3, is_feasible=lambda x: x[0] > 0.01
    )
    study = optuna.create_study(sampler=sampler)
    assert all(trial.params["rate"] > 0.01 for trial in sampler.claim(study, 8))


def test_a_search_in_other_units_is_another_search(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "study.db")
    _search_rates(storage)
    linear = {"rate": FloatDistribution(1e-4, 1.0), "theta": RATES["theta"]}
    for space, scales in ((linear, {}), (RATES, {}), (RATES, {"rate": 1.0})):
        sampler = GenerationalCmaEsSampler(space, population_size=8, mean=MEAN, scales=scales, max_generations=30)
        study = optuna.load_study(storage=storage, sampler=sampler, study_name="rates")
        with pytest.raises(StudyError, match="space"):
            sampler.claim(study)


@pytest.mark.parametrize("scales", [{"rate": 0.0}, {"rate": float("nan")}, {"rat": 1.0}])
def test_bad_scales_are_refused(scales: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="scales above 0"):
        GenerationalCmaEsSampler(RATES, mean=MEAN, scales=scales)
