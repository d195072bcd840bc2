import itertools
import json
import math
import threading
from collections.abc import Sequence
from pathlib import Path

import cmaes
import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner
from optuna.trial import Trial, TrialState

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.samplers import GenerationalCmaEsSampler, SearchFinished
from glo_lightning.search.storage import open_storage
from tests.search.samplers.cheap_search import (
    POPULATION,
    SPACE,
    candidates,
    make_sampler,
    objective,
    open_study,
    run,
    tell,
    theta_of,
)

GENERATIONS = 6
Candidates = dict[tuple[int, int], tuple[float, ...]]


@pytest.fixture(scope="module")
def expected() -> Candidates:
    """The candidates of one worker that nobody disturbs."""
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    run(study)
    assert len(study.trials) == GENERATIONS * POPULATION
    states = [trial.state for trial in study.trials]
    assert 15 <= states.count(TrialState.PRUNED) <= 45
    return candidates(study)


# What comes out


def test_equals_a_plain_cmaes_loop_generation_by_generation() -> None:
    def value(x: np.ndarray) -> float:
        return float(((x - 1.0) ** 2).sum() + 3.0 * x[0] * x[1])

    sampler = make_sampler(12, seed=11, sigma=0.8, mean=[1.0, 2.0, 3.0, 4.0])
    study = optuna.create_study(sampler=sampler)
    while trials := sampler.claim(study):
        study.tell(trials[0], value(np.array(list(trials[0].params.values()))))

    plain = cmaes.CMA(mean=np.array([1.0, 2.0, 3.0, 4.0]), sigma=0.8, population_size=POPULATION)
    thetas = candidates(study)
    for generation in range(12):
        solutions = []
        for index in range(POPULATION):
            plain.reseed_rng(np.random.SeedSequence([11, generation, index, 0]).generate_state(4))
            x = plain.ask()
            assert tuple(x) == thetas[generation, index]
            solutions.append((x, value(x)))
        plain.tell(solutions)
    assert sampler.state(study).engine == {"mean": plain.mean.tolist(), "sigma": plain._sigma}


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_direction_of_the_study_is_respected(direction: str) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    study = optuna.create_study(sampler=make_sampler(40), direction=direction)
    while trials := study.sampler.claim(study, POPULATION):
        for trial in trials:
            study.tell(trial, sign * sum((theta - 1.0) ** 2 for theta in trial.params.values()))
    assert abs(study.best_value) < 1e-3


@pytest.mark.parametrize("count", [1, 3, POPULATION, 4 * POPULATION])
def test_claiming_in_bulk_gives_the_same_candidates(count: int, expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    run(study, count)
    assert candidates(study) == expected
    assert len(study.trials) == len(expected)


def test_a_bulk_claim_takes_what_is_open_and_no_more() -> None:
    sampler = make_sampler()
    study = optuna.create_study(sampler=sampler)
    sizes = []
    for _ in range(3):
        trials = sampler.claim(study, 4)
        sizes.append(len(trials))
        for trial in trials:
            tell(study, trial)
    assert sizes == [4, 4, 2]
    assert sampler.state(study).generation == 1


def test_optimize_gives_the_same_candidates(expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler())
    study.optimize(objective, n_trials=len(expected))
    assert candidates(study) == expected


@pytest.mark.parametrize("storage", ["memory", "study.db"])
def test_four_threads_give_the_same_candidates(storage: str, expected: Candidates, tmp_path: Path) -> None:
    opened = open_storage(storage if storage == "memory" else tmp_path / storage)
    study = open_study(opened, make_sampler())
    study.optimize(objective, n_trials=len(expected), n_jobs=4)
    assert candidates(study) == expected
    assert len(study.trials) == len(expected)


def test_four_claiming_threads_give_the_same_candidates(expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    threads = [threading.Thread(target=run, args=(study, count)) for count in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert candidates(study) == expected


def test_a_study_stopped_after_any_trial_continues_with_the_same_candidates(expected: Candidates) -> None:
    storage = optuna.storages.InMemoryStorage()
    for stop in range(1, len(expected) + 1):  # a new sampler after every single trial
        study = open_study(storage, make_sampler(GENERATIONS))
        (trial,) = study.sampler.claim(study)
        tell(study, trial)
        assert len(candidates(study)) == stop
    assert candidates(study) == expected
    assert study.sampler.claim(study) == []


def test_one_sampler_serves_several_studies(expected: Candidates) -> None:
    sampler = make_sampler(GENERATIONS)
    studies = [optuna.create_study(sampler=sampler) for _ in range(2)]
    for study in studies:
        run(study)
    assert [candidates(study) for study in studies] == [expected, expected]


def test_hyperband_prunes_within_brackets_but_the_search_sees_all_trials() -> None:
    def partial(trial: Trial) -> float:
        value = sum((trial.suggest_float(name, -1e12, 1e12) - 1.0) ** 2 for name in SPACE)
        for step in range(9):
            trial.report(value + 1.0 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    pruner = HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    study = optuna.create_study(sampler=make_sampler(), pruner=pruner)
    study.optimize(partial, n_trials=10 * POPULATION)
    assert study.sampler.generation(study) == 10
    assert TrialState.PRUNED in {trial.state for trial in study.trials}
    assert study.best_value < 1.0


def test_infeasible_candidates_are_drawn_again_and_the_same_for_all_workers() -> None:
    def found(count: int) -> Candidates:
        sampler = make_sampler(3, is_feasible=lambda theta: bool(theta[0] + theta[1] <= 0.6))
        study = optuna.create_study(sampler=sampler)
        run(study, count)
        return candidates(study)

    thetas = found(1)
    assert all(theta[0] + theta[1] <= 0.6 for theta in thetas.values())
    assert thetas == found(4)


def test_the_end_may_be_moved(expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler(2))
    run(study)
    assert study.sampler.state(study).finished
    study.sampler = make_sampler(GENERATIONS)
    run(study)
    assert candidates(study) == expected


def test_optimize_ends_by_itself(expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    study.optimize(objective, n_jobs=2)
    assert candidates(study) == expected
    assert len(study.trials) <= len(expected) + 2


def test_asking_after_the_end_is_refused() -> None:
    study = optuna.create_study(sampler=make_sampler(1))
    run(study)
    with pytest.raises(SearchFinished, match="finished"):
        study.ask()
    assert study.sampler.claim(study) == []


# What goes wrong


def test_a_failed_candidate_is_issued_again_and_then_ranks_worst() -> None:
    sampler = make_sampler(1, attempts=2)
    study = optuna.create_study(sampler=sampler)
    for _ in range(3):
        (trial,) = sampler.claim(study)
        assert sampler.slot_of(trial) == (0, 0)
        study.tell(trial, state=TrialState.FAIL)
    (trial,) = sampler.claim(study)
    assert sampler.slot_of(trial) == (0, 1)
    study.tell(trial, 0.0)
    run(study)
    assert sampler.state(study).finished
    assert len({theta_of(trial) for trial in study.trials[:3]}) == 1


def test_a_value_that_is_not_a_number_counts_as_a_failure() -> None:
    study = optuna.create_study(sampler=make_sampler(1, attempts=0))
    study.optimize(lambda trial: math.nan if find_slot_index(trial) == 3 else 1.0, n_trials=POPULATION)
    assert study.sampler.state(study).finished


def find_slot_index(trial: Trial) -> int:
    index: int = trial.study.sampler.slot_of(trial).index
    return index


def test_released_candidates_are_issued_again_without_blame() -> None:
    sampler = make_sampler(1, attempts=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(3):
        for trial in sampler.claim(study, 4):
            sampler.release(study, trial, "interrupted")
    run(study)
    assert len(candidates(study)) == POPULATION


def test_a_candidate_that_kills_its_workers_is_given_up_in_the_end() -> None:
    sampler = make_sampler(1)
    study = optuna.create_study(sampler=sampler)
    for _ in range(6):
        (trial,) = sampler.claim(study)
        assert sampler.slot_of(trial).index == 0
        sampler.release(study, trial)
    (trial,) = sampler.claim(study)
    assert sampler.slot_of(trial).index == 1


def test_releasing_a_finished_trial_changes_nothing() -> None:
    study = optuna.create_study(sampler=make_sampler(1))
    (trial,) = study.sampler.claim(study)
    study.tell(trial, 1.0)
    study.sampler.release(study, trial)
    assert study.trials[0].state == TrialState.COMPLETE


@pytest.mark.parametrize("ask", ["ask", "claim"])
def test_asking_ahead_of_the_open_candidates_is_refused_rather_than_waiting_for_ever(ask: str) -> None:
    study = optuna.create_study(sampler=make_sampler())
    asked = [study.ask() for _ in range(POPULATION)]
    with pytest.raises(StudyError, match=r"trials \[0, 1, 2, 3, 4, 5, 6, 7, 8, 9\] of this thread"):
        study.ask() if ask == "ask" else study.sampler.claim(study)
    for trial in asked:
        tell(study, trial)
    assert study.sampler.slot_of(study.ask()) == (1, 0)


def test_asking_may_wait_for_another_thread() -> None:
    study = optuna.create_study(sampler=make_sampler())
    trials = study.sampler.claim(study, POPULATION)
    found: list[Trial] = []
    waiting = threading.Thread(target=lambda: found.append(study.ask()))
    waiting.start()
    for trial in trials:
        assert not found
        tell(study, trial)
    waiting.join(30)
    assert study.sampler.slot_of(found[0]) == (1, 0)


def test_a_wait_can_be_given_up() -> None:
    sampler, other = make_sampler(), make_sampler()
    study = optuna.create_study(sampler=sampler)
    sampler.claim(study, POPULATION)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.claim(study, on_wait=interrupt)
    assert len(study.trials) == POPULATION


def test_enqueued_trials_run_beside_the_search(expected: Candidates) -> None:
    study = optuna.create_study(sampler=make_sampler())
    study.enqueue_trial({"theta_0": 0.25})
    study.optimize(objective, n_trials=len(expected) + 1)
    assert candidates(study) == expected
    assert study.trials[0].params["theta_0"] == 0.25
    with pytest.raises(StudyError, match="without a slot"):
        study.sampler.slot_of(study.trials[0])


def test_parameters_outside_the_search_space_are_drawn_at_random() -> None:
    study = optuna.create_study(sampler=make_sampler())
    study.optimize(lambda t: t.suggest_int("depth", 1, 5) + t.suggest_float("theta_0", -1e12, 1e12), n_trials=25)
    assert len({trial.params["depth"] for trial in study.trials}) > 1
    assert study.sampler.generation(study) == 2


# What the study holds


def test_the_study_holds_nothing_but_small_json() -> None:
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    run(study, 3)
    attributes = [study._storage.get_study_system_attrs(study._study_id)]
    attributes += [trial.system_attrs for trial in study.trials]
    assert {name for attrs in attributes for name in attrs} == {
        "glo:search",
        "glo:slot",
        "glo:worker",
        "constraints:invariant",
    }
    for attrs in attributes:
        assert json.loads(json.dumps(attrs)) == attrs
        assert len(json.dumps(attrs)) < 500


def test_a_seed_that_was_not_given_is_drawn_once_per_study() -> None:
    storage = optuna.storages.InMemoryStorage()
    studies = [open_study(storage, make_sampler(2, seed=None)) for _ in range(4)]
    threads = [threading.Thread(target=run, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seed = storage.get_study_system_attrs(studies[0]._study_id)["glo:search"]["seed"]
    again = optuna.create_study(sampler=make_sampler(2, seed=seed))
    run(again)
    assert candidates(again) == candidates(studies[0])
    assert seed != make_sampler(2, seed=None)._defaults["seed"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"population_size": 12}, "population_size"),
        ({"sigma": 0.5}, "sigma"),
        ({"seed": 8}, "seed"),
        ({"mean": [1.0, 0.0, 0.0, 0.0]}, "mean"),
        ({"attempts": 3}, "attempts"),
        ({"is_feasible": lambda theta: True}, "resample"),
    ],
)
def test_a_study_is_continued_with_its_own_settings_or_not_at_all(settings: dict, named: str) -> None:
    study = optuna.create_study(sampler=make_sampler())
    (trial,) = study.sampler.claim(study)
    study.tell(trial, 1.0)
    study.sampler = make_sampler(**settings)
    with pytest.raises(StudyError, match=named):
        study.sampler.claim(study)
    with pytest.raises(StudyError, match=named):
        study.ask()
    study.sampler = make_sampler(seed=None, population_size=None)
    (trial,) = study.sampler.claim(study)
    assert study.sampler.slot_of(trial) == (0, 1)


def test_a_study_of_another_space_is_refused() -> None:
    study = optuna.create_study(sampler=make_sampler())
    tell(study, study.ask())
    study.sampler = GenerationalCmaEsSampler({"x": FloatDistribution(-1.0, 1.0)})
    with pytest.raises(StudyError, match="space"):
        study.ask()


# Bad input


def test_bad_spaces_are_refused() -> None:
    for space in ({}, {"n": IntDistribution(0, 3)}, {"x": FloatDistribution(0.0, 1.0, step=0.5)}):
        with pytest.raises(SettingsError):
            GenerationalCmaEsSampler(space)
    with pytest.raises(SettingsError, match="within the bounds"):
        GenerationalCmaEsSampler({"x": FloatDistribution(1.0, 2.0)})


BAD = {
    "population_size": st.one_of(st.integers(max_value=3), st.floats(), st.booleans(), st.text()),
    "sigma": st.one_of(st.floats(max_value=0.0), st.sampled_from([math.inf, math.nan, "1", True])),
    "seed": st.one_of(st.integers(max_value=-1), st.floats(), st.booleans(), st.text()),
    "mean": st.one_of(
        st.lists(st.floats(-1.0, 1.0), max_size=3),
        st.just([math.nan] * 4),
        st.just([1e13] * 4),
        st.just(["a"] * 4),
        st.just("mean"),
        st.just(0.5),
    ),
    "attempts": st.one_of(st.integers(max_value=-1), st.just(1.5), st.just("1")),
    "max_generations": st.one_of(st.integers(max_value=-1), st.just(1.5), st.just("1")),
    "grace": st.one_of(st.floats(max_value=0.0), st.just(math.nan), st.just("30")),
}


@given(st.sampled_from(sorted(BAD)).flatmap(lambda name: st.tuples(st.just(name), BAD[name])))
def test_bad_arguments_are_refused_by_name(argument: tuple[str, object]) -> None:
    name, value = argument
    with pytest.raises(SettingsError, match=name):
        GenerationalCmaEsSampler(SPACE, **{name: value})


@pytest.mark.parametrize("count", [0, -1])
def test_claiming_nothing_is_refused(count: int) -> None:
    study = optuna.create_study(sampler=make_sampler())
    with pytest.raises(SettingsError, match="count"):
        study.sampler.claim(study, count)


# Parameters with ranges of their own

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
