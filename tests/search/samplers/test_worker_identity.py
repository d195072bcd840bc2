"""Who works on a trial: the dead of this machine are known at once, and nobody else is taken for dead."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from glo_lightning.search.samplers import worker_identity
from glo_lightning.search.samplers.history import DIED, RELEASED
from glo_lightning.search.samplers.worker_identity import WORKER, WorkerIdentity, give_back_trials
from tests.search.samplers.cheap_search import POPULATION, candidates, make_sampler, open_study, run


@pytest.fixture
def me() -> WorkerIdentity:
    return WorkerIdentity.of_this_process()


@pytest.fixture
def child() -> WorkerIdentity:
    """A process that has ended, as it would have written itself down."""
    script = (
        "from glo_lightning.search.samplers.worker_identity import WorkerIdentity as W; print(*W.of_this_process()[1:])"
    )
    pid, start = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout.split()
    return WorkerIdentity(WorkerIdentity.of_this_process().place, int(pid), start.decode())


def test_this_process_lives_and_a_child_that_ended_does_not(me: WorkerIdentity, child: WorkerIdentity) -> None:
    assert (me.pid, me.is_here(), me.is_dead()) == (os.getpid(), True, False)
    assert (child.is_here(), child.is_dead()) == (True, True)


def test_the_identity_survives_the_study_as_json(me: WorkerIdentity) -> None:
    study = optuna.create_study()
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.0, system_attrs={WORKER: list(me)}))
    assert WorkerIdentity.of_worker(study.trials[0]) == me
    assert WorkerIdentity.of_worker(create_trial(value=0.0)) is None


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="only Linux tells when a process started")
def test_a_process_id_that_is_used_again_is_another_process(me: WorkerIdentity) -> None:
    assert me.start
    assert me._replace(start=str(int(me.start) - 1)).is_dead()


def test_where_the_start_of_a_process_is_hidden_it_counts_as_alive(
    me: WorkerIdentity, child: WorkerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_identity, "_start", lambda pid: "")
    assert not me.is_dead()
    assert not me._replace(start="").is_dead()
    assert child.is_dead()


def another_boot(place: str) -> str:
    """The place of a machine that has this one's name: a clone, or a container on another host."""
    host, _, namespace = place.split(" ")
    return f"{host} 00000000-0000-0000-0000-000000000000 {namespace}"


def another_container(place: str) -> str:
    host, boot, _ = place.split(" ")
    return f"{host} {boot} pid:[1]"


@pytest.mark.skipif(not os.path.exists("/proc/sys/kernel/random/boot_id"), reason="only Linux numbers its boots")
@pytest.mark.parametrize("elsewhere", [another_boot, another_container])
def test_a_worker_on_another_machine_of_the_same_name_is_not_taken_for_dead(
    elsewhere: Callable[[str], str], child: WorkerIdentity, caplog: pytest.LogCaptureFixture
) -> None:
    """Its process id means nothing here; as long as its heartbeat goes on, it is waited for."""
    storage = optuna.storages.InMemoryStorage()
    here, there = (open_study(storage, make_sampler(1, grace_period=1.0)) for _ in range(2))
    (trial,) = there.sampler.claim(there)
    far = child._replace(place=elsewhere(child.place))
    assert not far.is_dead()
    trial.storage.set_trial_system_attr(trial._trial_id, WORKER, list(far))
    for other in here.sampler.claim(here, POPULATION):
        here.tell(other, 1.0)
    give_back_trials(here, far.pid, "another's death")
    end = time.monotonic() + 2.0

    def finish_late() -> None:
        if time.monotonic() > end:
            there.tell(trial, 0.0, skip_if_finished=True)

    with caplog.at_level(logging.WARNING):
        assert here.sampler.claim(here, on_wait=finish_late) == []
    assert {each.state for each in here.trials} == {TrialState.COMPLETE}
    assert not caplog.records


def test_the_candidates_of_a_dead_process_of_this_machine_are_issued_at_once(child: WorkerIdentity) -> None:
    storage = optuna.storages.InMemoryStorage()
    here, there = (open_study(storage, make_sampler(1, grace_period=3600.0)) for _ in range(2))
    (trial,) = there.sampler.claim(there)
    trial.storage.set_trial_system_attr(trial._trial_id, WORKER, list(child))
    run(here)
    assert len(candidates(here)) == POPULATION
    assert here.trials[0].system_attrs[DIED] == "worker gone"


def test_only_the_named_process_gives_its_trials_back(me: WorkerIdentity) -> None:
    study = optuna.create_study(sampler=make_sampler())
    study.sampler.claim(study, 2)
    give_back_trials(study, me.pid + 1, "signal SIGKILL")
    assert {trial.state for trial in study.trials} == {TrialState.RUNNING}
    give_back_trials(study, me.pid, "signal SIGKILL")
    assert [(trial.state, trial.system_attrs[DIED]) for trial in study.trials] == [
        (TrialState.FAIL, "signal SIGKILL")
    ] * 2


def test_what_a_worker_held_that_was_told_to_end_does_not_count_against_it(me: WorkerIdentity) -> None:
    study = optuna.create_study(sampler=make_sampler())
    for _ in range(10):
        (trial,) = study.sampler.claim(study)
        assert study.sampler.slot_of(trial) == (0, 0)
        give_back_trials(study, me.pid, "interrupted", "released")
    assert {trial.system_attrs[RELEASED] for trial in study.trials} == {"interrupted"}
