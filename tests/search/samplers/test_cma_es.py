import itertools
import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import cmaes
import numpy as np
import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.trial import Trial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.samplers import SearchFinished, find_slot
from glo_lightning.search.samplers.worker_identity import give_back_trials
from glo_lightning.search.storage.open import open_storage
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
    sampler = make_sampler(1, max_retry=2)
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
    study = optuna.create_study(sampler=make_sampler(1, max_retry=0))
    study.optimize(lambda trial: math.nan if find_slot_index(trial) == 3 else 1.0, n_trials=POPULATION)
    assert study.sampler.state(study).finished


def find_slot_index(trial: Trial) -> int:
    index: int = trial.study.sampler.slot_of(trial).index
    return index


@pytest.mark.parametrize("count", [1, 4, POPULATION])
def test_candidates_may_be_given_back_any_number_of_times(count: int, expected: Candidates) -> None:
    sampler = make_sampler(GENERATIONS, max_retry=0)
    study = optuna.create_study(sampler=sampler)
    before = sampler.state(study)
    for _ in range(20):
        trials = sampler.claim(study, count)
        assert [sampler.slot_of(trial) for trial in trials] == [(0, index) for index in range(count)]
        before = before if before.engine else sampler.state(study)
        sampler.release(study, trials, "KeyboardInterrupt")
    assert sampler.state(study).engine == before.engine
    run(study)
    assert candidates(study) == expected


def test_a_candidate_that_kills_its_workers_is_given_up_in_the_end() -> None:
    sampler = make_sampler(1)
    study = optuna.create_study(sampler=sampler)
    for _ in range(6):
        (trial,) = sampler.claim(study)
        assert sampler.slot_of(trial).index == 0
        give_back_trials(study, os.getpid(), "signal SIGKILL")
    (trial,) = sampler.claim(study)
    assert sampler.slot_of(trial).index == 1


def test_a_rank_that_crashes_counts_as_a_failure_of_its_candidate() -> None:
    sampler = make_sampler(1, max_retry=1)
    study = optuna.create_study(sampler=sampler)
    for _ in range(2):
        (trial,) = sampler.claim(study)
        assert sampler.slot_of(trial).index == 0
        give_back_trials(study, os.getpid(), "out of memory", "failed")
    assert study.trials[0].user_attrs["training"] == {"status": "failed", "reason": "out of memory"}
    assert sampler.slot_of(sampler.claim(study)[0]).index == 1


def fail(trial: Trial) -> None:
    trial.study.tell(trial, state=TrialState.FAIL)


def diverge(trial: Trial) -> None:
    trial.set_user_attr("diverged", True)
    trial.study.tell(trial, 1e6 + trial.number)


def stop(trial: Trial) -> None:
    trial.study.tell(trial, state=TrialState.PRUNED)


def learn_nothing(trial: Trial) -> None:
    trial.study.tell(trial, 0.9)


@pytest.mark.parametrize("ends", [[fail], [diverge], [stop], [fail, diverge, stop], [learn_nothing]])
def test_a_generation_that_tells_no_candidate_from_another_moves_nothing(ends: list[Callable[[Trial], None]]) -> None:
    sampler = make_sampler(3, max_retry=0)
    study = optuna.create_study(sampler=sampler)
    for generation in range(3):
        trials = sampler.claim(study, POPULATION)
        start = sampler.state(study).engine
        for trial, end in zip(trials, itertools.cycle(ends), strict=False):
            end(trial)
        state = sampler.state(study)
        assert state.generation == generation + 1
        assert state.engine == start == {"mean": [0.0] * len(SPACE), "sigma": 1.2}
    assert len({theta_of(trial) for trial in study.trials}) == 3 * POPULATION, "each generation draws anew"


def test_violations_alone_lead_out_of_forbidden_ground() -> None:
    sampler = make_sampler(40)
    study = optuna.create_study(sampler=sampler)
    while trials := sampler.claim(study, POPULATION):
        for trial in trials:
            trial.set_constraint("far", sum((theta - 9.0) ** 2 for theta in trial.params.values()))
            study.tell(trial, state=TrialState.PRUNED)
    assert sampler.state(study).engine["mean"] == pytest.approx([9.0] * len(SPACE), abs=0.1)


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


def foreign_parameters(n_jobs: int = 1, direction: str = "minimize", **settings: object) -> Candidates:
    """Draw, for each candidate, parameters that the search space does not know."""

    def objective(trial: Trial) -> float:
        foreign = trial.suggest_int("depth", 1, 5), trial.suggest_float("rate", 0.1, 1.0, log=True)
        trial.set_user_attr("kind", trial.suggest_categorical("kind", "abc"))
        return float(sum(foreign))

    study = optuna.create_study(sampler=make_sampler(**settings), direction=direction)
    study.enqueue_trial({"depth": 3})
    study.optimize(objective, n_trials=2 * POPULATION + 1, n_jobs=n_jobs)
    assert study.sampler.generation(study) == 2
    return {find_slot(trial): tuple(trial.params[name] for name in ("depth", "rate", "kind")) for trial in study.trials}


def test_parameters_outside_the_search_space_depend_on_seed_slot_and_name() -> None:
    drawn = foreign_parameters()
    assert len(set(drawn.values())) == 2 * POPULATION + 1
    assert {depth for depth, *_ in drawn.values()} == {1, 2, 3, 4, 5}
    assert {kind for *_, kind in drawn.values()} == set("abc")
    ranks = np.argsort([rate for _, rate, _ in drawn.values()]), np.argsort([depth for depth, *_ in drawn.values()])
    assert not np.array_equal(*ranks), "each parameter is drawn by itself"
    assert drawn == foreign_parameters(n_jobs=4), "whoever draws them"
    assert drawn == foreign_parameters(direction="maximize"), "whatever came of others"
    assert drawn != foreign_parameters(seed=8)
    assert drawn[None] == foreign_parameters()[None], "enqueued trials have no slot, but a number"
    assert foreign_parameters(seed=None) != foreign_parameters(seed=None)


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
