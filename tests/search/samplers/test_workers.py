"""Searches by several processes, some of which die."""

import itertools
import json
import multiprocessing
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.samplers.history import DIED, RELEASED
from glo_lightning.search.samplers.optuna_adapter import TrialStore
from glo_lightning.search.samplers.worker_identity import give_back_trials
from glo_lightning.search.storage.open import open_storage
from tests.search.samplers.cheap_search import (
    POPULATION,
    candidates,
    make_sampler,
    open_study,
    run,
    tell,
    theta_of,
    work,
)

GENERATIONS = 6

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([work.__module__])  # imports once; a worker then starts at once

Start = Callable[..., BaseProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts worker processes, and kills those that are left at the end."""
    workers = []

    def start(
        url: str, generations: int = GENERATIONS, grace_period: float = 30.0, seconds: float = 0.0, count: int = 1
    ) -> BaseProcess:
        workers.append(PROCESSES.Process(target=work, args=(url, generations, grace_period, seconds, count)))
        workers[-1].start()
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.join()


def finish(worker: BaseProcess) -> None:
    worker.join(120)
    assert worker.exitcode == 0


@pytest.fixture(params=["study.db", "study.log", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres").get_uri()
    return str(tmp_path / request.param)


def undisturbed(generations: int) -> optuna.Study:
    study = optuna.create_study(sampler=make_sampler(generations))
    run(study, POPULATION)
    return study


def opened(url: str, generations: int, grace_period: float = 30.0) -> optuna.Study:
    return open_study(open_storage(url), make_sampler(generations, grace_period))


def test_three_processes_give_the_same_candidates_as_one(url: str, start: Start) -> None:
    for worker in [start(url, count=count) for count in (1, 1, 3)]:
        finish(worker)
    study = opened(url, GENERATIONS)
    assert candidates(study) == candidates(undisturbed(GENERATIONS))
    assert all(
        trial.system_attrs[RELEASED] == "search finished" for trial in study.trials if trial.state == TrialState.FAIL
    )


def test_killed_workers_leave_nothing_behind_but_time(start: Start, tmp_path: Path) -> None:
    generations, url = 20, str(tmp_path / "study.db")
    study = opened(url, generations, grace_period=1.0)
    chance = random.Random(0)
    workers = []
    for kill_at in range(10, 10 * generations, 35):
        workers += [
            start(url, generations, grace_period=1.0, seconds=0.01)
            for _ in range(2 - sum(w.is_alive() for w in workers))
        ]
        while len(study.get_trials(deepcopy=False)) < kill_at:
            time.sleep(0.02)
        workers.pop(chance.randrange(len(workers))).kill()
    run(study)
    calm = undisturbed(generations)
    assert candidates(study) == candidates(calm)
    assert study.sampler.state(study).engine == calm.sampler.state(calm).engine
    assert any(trial.system_attrs.get(DIED) == "worker gone" for trial in study.trials)


def test_a_search_continues_after_all_its_workers_were_killed(start: Start, tmp_path: Path) -> None:
    url = str(tmp_path / "study.log")
    workers = [start(url, grace_period=1.0, seconds=0.05, count=2) for _ in range(2)]
    study = opened(url, GENERATIONS, grace_period=1.0)
    while len(study.trials) < 2 * POPULATION:
        time.sleep(0.05)
    for worker in workers:
        worker.kill()
    run(study)
    assert candidates(study) == candidates(undisturbed(GENERATIONS))


def test_a_restart_of_the_database_only_delays(start: Start, postgres: Any) -> None:
    postgres.psql("create database restarted;")
    url = postgres.get_uri("restarted")
    workers = [start(url, seconds=0.05) for _ in range(2)]
    study = opened(url, GENERATIONS)
    while len(study.trials) < POPULATION:
        time.sleep(0.1)
    postgres.stop()
    time.sleep(1.0)
    postgres.start()
    for worker in workers:
        finish(worker)
    assert candidates(study) == candidates(undisturbed(GENERATIONS))


def test_a_worker_that_was_taken_for_dead_does_no_harm(tmp_path: Path) -> None:
    url = tmp_path / "study.db"
    sleeper = opened(str(url), 1, grace_period=3600.0)  # its signs of life are too far apart
    study = opened(str(url), 1, grace_period=0.2)
    (late,) = sleeper.sampler.claim(sleeper)
    run(study)
    issued = [trial for trial in study.trials if theta_of(trial) == tuple(late.params.values())]
    assert [trial.state == TrialState.FAIL for trial in issued] == [True, False]
    before = [trial.values for trial in study.trials]
    sleeper.tell(late, -1.0, skip_if_finished=True)
    assert [trial.values for trial in study.trials] == before
    assert study.sampler.state(study).finished


def test_a_worker_that_lives_is_waited_for_however_long_it_takes() -> None:
    storage = optuna.storages.InMemoryStorage()
    busy, idle = (open_study(storage, make_sampler(1, grace_period=0.6)) for _ in range(2))
    trials = busy.sampler.claim(busy, POPULATION)
    end = time.monotonic() + 1.5

    def finish_late() -> None:
        if time.monotonic() > end:
            for trial in trials:
                busy.tell(trial, 0.0, skip_if_finished=True)

    assert idle.sampler.claim(idle, on_wait=finish_late) == []
    assert {trial.state for trial in idle.trials} == {TrialState.COMPLETE}


def test_a_worker_that_dies_before_it_has_a_slot_is_not_waited_for_longer_than_the_grace() -> None:
    study = optuna.create_study(sampler=make_sampler(1, grace_period=0.2))
    study._storage.create_new_trial(study._study_id)
    run(study)
    assert len(candidates(study)) == POPULATION
    assert study.trials[0].state == TrialState.FAIL


def test_the_database_holds_nothing_but_small_json(start: Start, tmp_path: Path) -> None:
    url = str(tmp_path / "study.db")
    workers = [start(url, 3, grace_period=1.0, seconds=0.2) for _ in range(2)]
    study = opened(url, 3)
    while len(study.get_trials(deepcopy=False)) < 8:
        time.sleep(0.05)
    workers[0].kill()
    finish(workers[1])
    database = sqlite3.connect(url)
    own = ("glo:search", "glo:slot", "glo:worker", "glo:heartbeat", "glo:released", "glo:died", "generation", "index")
    for kind in ("study_system", "study_user", "trial_system", "trial_user"):
        for name, value in database.execute(f"select key, value_json from {kind}_attributes"):
            assert name in (*own, "constraints:invariant")
            assert len(value) < 500
            assert isinstance(json.loads(value), dict | list | int | float | str)


def test_a_candidate_that_is_taken_away_while_it_is_claimed_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the last of a batch has its parameters, somebody may take the worker for dead."""
    study = optuna.create_study(sampler=make_sampler(2))
    fill, count = TrialStore.fill, itertools.count()

    def late(store: TrialStore, *arguments: Any) -> FrozenTrial:
        if next(count) == 0:
            give_back_trials(study, os.getpid(), "another worker thought so")
        return fill(store, *arguments)

    monkeypatch.setattr(TrialStore, "fill", late)
    trials = study.sampler.claim(study, 4)
    assert [study.sampler.slot_of(trial).index for trial in trials] == [0, 1, 2, 3]
    for trial in trials:
        tell(study, trial)
    run(study)
    assert candidates(study) == candidates(undisturbed(2))
