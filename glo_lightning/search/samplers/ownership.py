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


def is_dead(trial: FrozenTrial) -> bool:
    """Whether a trial's worker was on this host and is no more."""
    worker = find_worker(trial)
    if worker is None:
        return False
    try:
        os.kill(worker, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and somebody else's
        return False
    return False


def bury(storage: BaseStorage, study_id: int, pid: int, reason: str, blame: bool = False) -> None:
    """End the running trials of a dead worker of this host, so that their candidates are issued again.

    Args:
        storage: where the study is.
        study_id: its identity there.
        pid: the worker's process id.
        reason: how it died.
        blame: whether its candidates are to blame, and rank worst after too many attempts.
    """
    for trial in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,)):
        if find_worker(trial) != pid:
            continue
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
