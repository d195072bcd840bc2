import time
from collections.abc import Callable

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from glo_lightning.search.lease import BEAT, Lease, Watch


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


@pytest.mark.parametrize("beat", [None, 4])
def test_a_trial_whose_sign_does_not_change_is_silent_after_the_grace(beat: int | None) -> None:
    watch, trials = Watch(grace=0.1, interval=10.0), [running(beat)]
    assert watch.silent(trials) == []
    time.sleep(0.06)
    assert watch.silent(trials) == []
    time.sleep(0.06)
    assert watch.silent(trials) == trials


def test_a_trial_whose_sign_changes_is_not_silent() -> None:
    watch = Watch(grace=0.1, interval=10.0)
    for beat in (None, 1, 2, 3):
        assert watch.silent([running(beat)]) == []
        time.sleep(0.06)


def test_time_in_which_nobody_looked_hardly_counts() -> None:
    watch, trials = Watch(grace=0.1, interval=0.02), [running(1)]
    watch.silent(trials)
    time.sleep(0.2)  # an outage, or a machine that slept: more than the grace
    assert watch.silent(trials) == []
    time.sleep(0.2)
    assert watch.silent(trials) == []
    time.sleep(0.2)
    assert watch.silent(trials) == trials
