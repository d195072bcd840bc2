"""The genetic algorithm over a study: the same candidates whoever works on it, and whatever dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import Trial, TrialState

from glo_lightning.errors import LossError, SettingsError, StudyError
from glo_lightning.losses.expression import parse
from glo_lightning.search.engines.genetic import Offspring
from glo_lightning.search.engines.variation import Variation
from glo_lightning.search.exploration.screening import Screen
from glo_lightning.search.samplers.genetic import GeneticSampler
from glo_lightning.search.storage.open import open_storage
from tests.search.samplers import cheap_trees
from tests.search.samplers.cheap_trees import POPULATION, candidates, make_sampler, open_study, run, score, tell


class TestOptunasContract(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: GeneticSampler(Screen(10, steps=["leaves"]), population_size=10, seed=0, redraw=False)


GENERATIONS = 4
Candidates = dict[tuple[int, int], Offspring]
Start = Callable[..., subprocess.Popen]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="module")
def calm() -> optuna.Study:
    """The search of one worker that nobody disturbs."""
    study = open_study(None, make_sampler(GENERATIONS))
    run(study)
    assert len(study.trials) == GENERATIONS * POPULATION
    return study


@pytest.fixture(scope="module")
def expected(calm: optuna.Study) -> Candidates:
    return candidates(calm)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts worker processes and kills those that are left at the end."""
    workers = []

    def start(url: str, grace_period: float = 30.0, seconds: float = 0.0, count: int = 1) -> subprocess.Popen:
        command = [sys.executable, cheap_trees.__file__, *map(str, [url, GENERATIONS, grace_period, seconds, count])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        workers.append(subprocess.Popen(command, env=environment))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


# What comes out


def test_every_trial_tells_where_its_candidate_comes_from(expected: Candidates) -> None:
    assert expected[0, 0].operation == "known"
    assert {candidate.operation for candidate in expected.values()} >= {"random", "elite", "recombination", "copy"}
    for (generation, _), candidate in expected.items():
        parse(candidate.expression)
        assert all(parent[0] == generation - 1 and parent in expected for parent in candidate.parents)
        assert bool(candidate.parents) == (generation > 0)
        if candidate.operation == "elite":
            assert candidate.expression == expected[candidate.parents[0]].expression
        if candidate.repeats:
            assert candidate.repeats in expected
            assert expected[candidate.repeats].key == candidate.key


def test_repetitions_are_told_without_a_value_and_never_trained_twice(calm: optuna.Study) -> None:
    trained = [trial for trial in calm.trials if trial.state == TrialState.COMPLETE]
    assert len({trial.user_attrs["origin"]["key"] for trial in trained}) == len(trained)
    repeated = [trial for trial in calm.trials if trial.user_attrs["origin"]["repeats"]]
    assert {trial.state for trial in repeated} == {TrialState.PRUNED}


def test_elites_keep_the_best(expected: Candidates) -> None:
    for generation in range(1, GENERATIONS):
        before = [expected[generation - 1, index] for index in range(POPULATION)]
        best = max(
            score(expected[c.repeats or (0, 0)].expression) if c.repeats else score(c.expression) for c in before
        )
        elite = expected[generation, 0]
        assert elite.operation == "elite"
        assert score(expected[elite.repeats].expression) == best


def test_without_redrawing_the_screen_stops_most_of_the_start() -> None:
    study = open_study(None, make_sampler(1, population_size=100, redraw=False))
    run(study, 100)
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) > 80
    assert all(trial.user_attrs["origin"]["refused"] == {} for trial in study.trials)


def test_with_redrawing_only_repetitions_are_stopped(calm: optuna.Study) -> None:
    stopped = [trial for trial in calm.trials if trial.state == TrialState.PRUNED]
    assert {calm.sampler.screening(trial).step for trial in stopped} == {"unseen"}
    refused = [trial.user_attrs["origin"]["refused"] for trial in calm.trials]
    assert {step for counts in refused for step in counts} == {"leaves", "defined", "exact", "unseen"}


# Who works on it


@pytest.mark.parametrize("count", [3, POPULATION, 4 * POPULATION])
def test_claiming_in_bulk_gives_the_same_candidates(count: int, expected: Candidates) -> None:
    study = open_study(None, make_sampler(GENERATIONS))
    run(study, count)
    assert candidates(study) == expected


def test_four_threads_give_the_same_candidates(expected: Candidates) -> None:
    study = open_study(None, make_sampler(GENERATIONS))
    threads = [threading.Thread(target=run, args=(study, count)) for count in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert candidates(study) == expected


def test_optimize_gives_the_same_candidates(expected: Candidates) -> None:
    def objective(trial: Trial) -> float:
        sampler = trial.study.sampler
        if not sampler.screening(trial).passed:
            raise optuna.TrialPruned
        return score(sampler.offspring(trial).expression)

    study = open_study(None, make_sampler())
    study.optimize(objective, n_trials=len(expected), n_jobs=2)
    assert candidates(study) == expected


# What dies


def test_three_processes_of_which_one_is_killed_give_the_same_candidates_as_one(
    start: Start, expected: Candidates, tmp_path: Path
) -> None:
    url = str(tmp_path / "study.log")
    workers = [start(url, grace_period=1.0, seconds=0.05, count=count) for count in (1, 1, 2)]
    study = open_study(open_storage(url), make_sampler(GENERATIONS, grace_period=1.0))
    while len(study.get_trials(deepcopy=False)) < POPULATION:
        time.sleep(0.05)
    workers[2].send_signal(signal.SIGKILL)
    assert study.sampler.generation(study) < GENERATIONS
    assert [worker.wait(120) for worker in workers] == [0, 0, -signal.SIGKILL]
    assert candidates(study) == expected


def test_a_study_stopped_after_any_trial_continues_with_the_same_candidates(expected: Candidates) -> None:
    storage = optuna.storages.InMemoryStorage()
    for _ in range(3 * POPULATION):  # a new sampler after every single trial
        study = open_study(storage, make_sampler(GENERATIONS))
        (trial,) = study.sampler.claim(study)
        tell(study, trial)
    run(open_study(storage, make_sampler(GENERATIONS)))
    assert candidates(study) == expected


def test_a_crashed_original_leaves_its_repetitions_without_a_score() -> None:
    sampler = make_sampler(2, known=["y * h", "h * y", "y * log(h)", "y * sqrt(h)"], population_size=4, max_retry=0)
    study = open_study(None, sampler)
    original, repetition, *others = sampler.claim(study, 4)
    study.tell(original, state=TrialState.FAIL)
    assert sampler.offspring(repetition).repeats == (0, 0)
    tell(study, repetition)
    for trial in others:
        tell(study, trial)
    trials = sampler.claim(study, 4)
    assert {parent for trial in trials for parent in sampler.offspring(trial).parents} <= {(0, 2), (0, 3)}


# What the study holds


def test_the_study_holds_nothing_but_small_json(calm: optuna.Study) -> None:
    attributes = [calm._storage.get_study_system_attrs(calm._study_id)]
    attributes += [{**trial.system_attrs, **trial.user_attrs} for trial in calm.trials]
    for attrs in attributes:
        assert json.loads(json.dumps(attrs)) == attrs
        assert len(json.dumps(attrs)) < 2000


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"population_size": 14}, "population_size"),
        ({"num_elites": 3}, "num_elites"),
        ({"known": []}, "known"),
        ({"sameness": "formula"}, "sameness"),
        ({"redraw": False}, "redraw"),
        ({"variation": Variation(max_depth=5)}, "variation"),
    ],
)
def test_a_study_is_continued_with_its_own_settings_or_not_at_all(settings: dict, named: str) -> None:
    study = open_study(None, make_sampler())
    tell(study, study.sampler.claim(study)[0])
    study.sampler = make_sampler(**settings)
    with pytest.raises(StudyError, match=named):
        study.sampler.claim(study)
    study.sampler = GeneticSampler(make_sampler().screen)
    assert study.sampler.slot_of(study.sampler.claim(study)[0]) == (0, 1)


def test_a_study_of_another_screen_is_refused() -> None:
    study = open_study(None, make_sampler())
    tell(study, study.sampler.claim(study)[0])
    study.sampler = GeneticSampler(Screen(num_classes=3))
    with pytest.raises(StudyError, match="screen"):
        study.sampler.claim(study)


# Bad input


@pytest.mark.parametrize(
    "settings",
    [
        {"population_size": 1},
        {"num_elites": 10},
        {"num_elites": -1},
        {"sameness": "colour"},
        {"seed": -1},
        {"max_generations": -1},
    ],
)
def test_bad_settings_are_refused(settings: dict) -> None:
    with pytest.raises(SettingsError):
        make_sampler(**settings) if "max_generations" not in settings else make_sampler(-1)


def test_unreadable_known_losses_are_refused() -> None:
    with pytest.raises(LossError):
        make_sampler(known=["exp(h)"])


def test_trials_of_others_have_no_candidate() -> None:
    study = optuna.create_study()
    trial = study.ask()
    with pytest.raises(StudyError, match="without an expression"):
        make_sampler().offspring(trial)


@pytest.mark.parametrize("origin", [{}, 3, {"operation": "seed", "parents": [[0]]}, {"parents": 7}], ids=str)
def test_a_changed_origin_is_refused_with_a_reason(origin: object) -> None:
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr("expression", "y * h")
    trial.set_user_attr("origin", origin)
    with pytest.raises(StudyError, match="Somebody changed the study"):
        make_sampler().offspring(trial)
