"""Sign every trial with its worker, so that whoever knows the worker dead can give its candidates back at once.

Nobody else would know before the worker has been silent for a while.
"""

import os
import socket
from pathlib import Path

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.samplers.history import LOST

WORKER = "glo:worker"
"""Trial attribute: host and process id of the worker that claimed the trial."""


def sign() -> dict[str, str]:
    """Return the attribute that names this process."""
    return {WORKER: f"{_place()} {os.getpid()}"}


def find_worker(trial: FrozenTrial) -> int | None:
    """Return the process id of a trial's worker; None if it is on another host."""
    place, _, pid = trial.system_attrs.get(WORKER, "").rpartition(" ")
    return int(pid) if place == _place() else None


def bury(storage: BaseStorage, study_id: int, pid: int, reason: str, blame: bool = False) -> None:
    """End the running trials of a dead worker of this host, so that their candidates are issued again.

    Args:
        storage: where the study is.
        study_id: its identity there.
        pid: the worker's process id.
        reason: how it died.
        blame: whether its candidates are to blame, and rank worst after too many attempts.
    """
    for trial in _running(storage, study_id):
        if find_worker(trial) == pid:
            _end(storage, trial, reason, blame)


def bury_the_dead(storage: BaseStorage, study_id: int) -> None:
    """End the running trials of all workers of this host that are no more."""
    for trial in _running(storage, study_id):
        worker = find_worker(trial)
        if worker is not None and not _is_alive(worker):
            _end(storage, trial, "worker died", blame=False)


def _running(storage: BaseStorage, study_id: int) -> list[FrozenTrial]:
    return storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))


def _end(storage: BaseStorage, trial: FrozenTrial, reason: str, blame: bool) -> None:
    try:
        if blame:
            storage.set_trial_user_attr(trial._trial_id, "training", {"status": "failed", "reason": reason})
        else:
            storage.set_trial_system_attr(trial._trial_id, LOST, reason)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass  # somebody else gave it back


def _place() -> str:
    """Return where process ids mean what they mean here: this host or, on it, this container."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {namespace.readlink() if namespace.is_symlink() else ''}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
