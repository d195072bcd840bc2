"""Connections that break: writes are repeated, mistakes are not."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.exc
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.reconnecting import ReconnectingStorage
from tests.search.samplers.cheap_search import POPULATION, candidates, make_sampler, open_study
from tests.search.storage.proxies import PROCESSES, free_port, serve, start_proxy


def test_a_restart_of_the_proxy_only_delays(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    address = (str(tmp_path / "study.db"), free_port())
    proxy = start_proxy(*address)
    study = open_study(open_storage(f"grpc://localhost:{address[1]}"), make_sampler(1))
    trials = study.sampler.claim(study, POPULATION)
    proxy.kill()
    proxy.join()
    proxy = PROCESSES.Process(target=serve, args=address)
    threading.Timer(0.5, proxy.start).start()
    for trial in trials:
        study.tell(trial, 1.0)
    assert len(candidates(study)) == POPULATION
    proxy.kill()


class Unreliable(InMemoryStorage):
    """Carries out every write, but for the first answers the connection breaks."""

    def __init__(self, breaks: int) -> None:
        super().__init__()
        self.breaks = breaks

    def _break(self) -> None:
        self.breaks -= 1
        if self.breaks >= 0:
            cause = sqlalchemy.exc.OperationalError("update", {}, Exception("server closed the connection"))
            raise StorageInternalError from cause

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Any = None) -> bool:
        done = super().set_trial_state_values(trial_id, state, values)
        self._break()
        return done

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        self._break()


@pytest.fixture
def unreliable() -> BaseStorage:
    storage = Unreliable(1)
    storage.create_new_study([StudyDirection.MINIMIZE], "a")
    return storage


def test_a_write_whose_answer_was_lost_is_repeated(unreliable: Unreliable) -> None:
    storage = ReconnectingStorage(unreliable)
    trial_id = storage.create_new_trial(0)
    storage.set_trial_system_attr(trial_id, "a", 1)
    unreliable.breaks = 1
    assert storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [2.0])
    assert storage.get_trial(trial_id).value == 2.0
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial_id, TrialState.FAIL)


def test_patience_ends(unreliable: Unreliable) -> None:
    unreliable.breaks = 10**6
    storage = ReconnectingStorage(unreliable, seconds=0.3)
    trial_id = storage.create_new_trial(0)
    with pytest.raises(StudyError, match="server closed the connection"):
        storage.set_trial_system_attr(trial_id, "a", 1)


def test_mistakes_of_the_caller_are_not_repeated(unreliable: Unreliable) -> None:
    storage = ReconnectingStorage(unreliable)
    begin = time.monotonic()
    with pytest.raises(DuplicatedStudyError):
        storage.create_new_study([StudyDirection.MINIMIZE], "a")
    with pytest.raises(KeyError):
        storage.get_trial(77)
    assert time.monotonic() - begin < 0.1
    assert isinstance(storage, BaseStorage)
