import time
from collections.abc import Callable

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from glo_lightning.search.samplers.heartbeat import HEARTBEAT, Heartbeat, HeartbeatMonitor
from glo_lightning.search.samplers.optuna_adapter import TrialStore, id_of_trial, running_trial


@pytest.fixture
def store() -> TrialStore:
    return TrialStore(optuna.create_study())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def running(beat: int | None) -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, system_attrs={} if beat is None else {HEARTBEAT: beat})


def begin(store: TrialStore) -> int:
    (trial,) = store.create([running_trial({}, {}, {}, {})])
    return id_of_trial(trial)


def beat_of(store: TrialStore, trial_id: int) -> int:
    (trial,) = (each for each in store.read() if id_of_trial(each) == trial_id)
    beat: int = trial.system_attrs.get(HEARTBEAT, 0)
    return beat


def test_a_held_trial_gives_signs_of_life_until_it_is_dropped(store: TrialStore) -> None:
    heartbeat, trial_id = Heartbeat(store, 0.01), begin(store)
    heartbeat.hold(trial_id)
    wait_until(lambda: beat_of(store, trial_id) >= 3)
    heartbeat.drop(trial_id)
    wait_until(lambda: heartbeat._thread is None)
    last = beat_of(store, trial_id)
    time.sleep(0.05)
    assert beat_of(store, trial_id) == last


def test_a_heartbeat_can_be_taken_up_again(store: TrialStore) -> None:
    heartbeat, first = Heartbeat(store, 0.01), begin(store)
    heartbeat.hold(first)
    heartbeat.drop(first)
    wait_until(lambda: heartbeat._thread is None)
    second = begin(store)
    heartbeat.hold(second)
    wait_until(lambda: beat_of(store, second) > 0)


def test_a_finished_trial_needs_no_signs(store: TrialStore) -> None:
    heartbeat, trial_id = Heartbeat(store, 0.01), begin(store)
    heartbeat.hold(trial_id)
    store.fail(trial_id)
    wait_until(lambda: heartbeat._thread is None)
    assert beat_of(store, trial_id) == 0


def test_trouble_with_the_storage_does_not_end_the_heartbeat() -> None:
    class Troubled(InMemoryStorage):
        calls = 0

        def set_trial_system_attr(self, trial_id: int, key: str, value: object) -> None:
            self.calls += 1
            if self.calls == 1:
                raise optuna.exceptions.StorageInternalError("gone")
            super().set_trial_system_attr(trial_id, key, value)

    troubled = TrialStore(optuna.create_study(storage=Troubled()))
    heartbeat, trial_id = Heartbeat(troubled, 0.01), begin(troubled)
    heartbeat.hold(trial_id)
    wait_until(lambda: beat_of(troubled, trial_id) >= 2)
    heartbeat.drop(trial_id)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("glo_lightning.search.samplers.heartbeat.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("beat", [None, 4])
def test_a_trial_whose_sign_does_not_change_is_silent_after_the_grace(beat: int | None, clock: list[float]) -> None:
    monitor, trials = HeartbeatMonitor(grace_period=30.0, interval=5.0), [running(beat)]
    for clock[0] in (101.0, 110.0, 119.0, 128.0, 130.9):
        assert monitor.silent(trials) == []
    clock[0] = 131.1
    assert monitor.silent(trials) == trials


def test_a_trial_whose_sign_changes_is_not_silent(clock: list[float]) -> None:
    monitor = HeartbeatMonitor(grace_period=10.0, interval=5.0)
    for beat in (None, 1, 2, 3, 4):
        assert monitor.silent([running(beat)]) == []
        clock[0] += 9.0


def test_time_in_which_nobody_looked_hardly_counts(clock: list[float]) -> None:
    monitor, trials = HeartbeatMonitor(grace_period=25.0, interval=5.0), [running(1)]
    monitor.silent(trials)
    for _ in range(2):
        clock[0] += 3600.0  # an outage, or a machine that slept
        assert monitor.silent(trials) == []
    clock[0] += 3600.0
    assert monitor.silent(trials) == trials
