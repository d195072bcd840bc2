import time
from collections.abc import Callable

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from glo_lightning.search.samplers.heartbeat import BEAT, Lease, Watch


@pytest.fixture
def storage() -> BaseStorage:
    storage = InMemoryStorage()
    storage.create_new_study([StudyDirection.MINIMIZE], "lease")
    return storage


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def running(beat: int | None) -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, system_attrs={} if beat is None else {BEAT: beat})


def beat_of(storage: BaseStorage, trial_id: int) -> int:
    beat: int = storage.get_trial(trial_id).system_attrs.get(BEAT, 0)
    return beat


def test_a_held_trial_gives_signs_of_life_until_it_is_dropped(storage: BaseStorage) -> None:
    lease, trial_id = Lease(0.01), storage.create_new_trial(0)
    lease.hold(storage, trial_id)
    wait_until(lambda: beat_of(storage, trial_id) >= 3)
    lease.drop(trial_id)
    wait_until(lambda: lease._thread is None)
    last = beat_of(storage, trial_id)
    time.sleep(0.05)
    assert beat_of(storage, trial_id) == last


def test_a_lease_can_be_taken_up_again(storage: BaseStorage) -> None:
    lease, first = Lease(0.01), storage.create_new_trial(0)
    lease.hold(storage, first)
    lease.drop(first)
    wait_until(lambda: lease._thread is None)
    second = storage.create_new_trial(0)
    lease.hold(storage, second)
    wait_until(lambda: beat_of(storage, second) > 0)


def test_a_finished_trial_needs_no_signs(storage: BaseStorage) -> None:
    lease, trial_id = Lease(0.01), storage.create_new_trial(0)
    lease.hold(storage, trial_id)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    wait_until(lambda: lease._thread is None)
    assert BEAT not in storage.get_trial(trial_id).system_attrs


def test_trouble_with_the_storage_does_not_end_the_signs(storage: BaseStorage) -> None:
    class Troubled(InMemoryStorage):
        calls = 0

        def set_trial_system_attr(self, trial_id: int, key: str, value: object) -> None:
            self.calls += 1
            if self.calls == 1:
                raise optuna.exceptions.StorageInternalError("gone")
            super().set_trial_system_attr(trial_id, key, value)

    troubled = Troubled()
    troubled.create_new_study([StudyDirection.MINIMIZE], "lease")
    lease, trial_id = Lease(0.01), troubled.create_new_trial(0)
    lease.hold(troubled, trial_id)
    wait_until(lambda: beat_of(troubled, trial_id) >= 2)
    lease.drop(trial_id)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("glo_lightning.search.samplers.heartbeat.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("beat", [None, 4])
def test_a_trial_whose_sign_does_not_change_is_silent_after_the_grace(beat: int | None, clock: list[float]) -> None:
    watch, trials = Watch(grace=30.0, interval=5.0), [running(beat)]
    for clock[0] in (101.0, 110.0, 119.0, 128.0, 130.9):
        assert watch.silent(trials) == []
    clock[0] = 131.1
    assert watch.silent(trials) == trials


def test_a_trial_whose_sign_changes_is_not_silent(clock: list[float]) -> None:
    watch = Watch(grace=10.0, interval=5.0)
    for beat in (None, 1, 2, 3, 4):
        assert watch.silent([running(beat)]) == []
        clock[0] += 9.0


def test_time_in_which_nobody_looked_hardly_counts(clock: list[float]) -> None:
    watch, trials = Watch(grace=25.0, interval=5.0), [running(1)]
    watch.silent(trials)
    for _ in range(2):
        clock[0] += 3600.0  # an outage, or a machine that slept
        assert watch.silent(trials) == []
    clock[0] += 3600.0
    assert watch.silent(trials) == trials
