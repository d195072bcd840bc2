"""Sign every trial with its worker, so that whoever sees the worker die can give its candidates back at once.

Without a witness, a dead worker is noticed by its silence, which takes longer.
"""

import os
import socket

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from glo_lightning.search.samplers.history import LOST

WORKER = "glo:worker"
"""Trial attribute: host and process id of the worker that claimed the trial."""


def sign(pid: int | None = None) -> dict[str, str]:
    """Return the attribute that names a process of this host, by default the current one."""
    return {WORKER: f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"}


def bury(storage: BaseStorage, study_id: int, pid: int, reason: str, blame: bool) -> None:
    """End the running trials of a dead worker of this host, so that their candidates are issued again.

    Args:
        storage: where the study is.
        study_id: its identity there.
        pid: the worker's process id.
        reason: how it died.
        blame: whether its candidates are to blame, and rank worst after too many attempts.
    """
    signature = sign(pid)[WORKER]
    for trial in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.system_attrs.get(WORKER) != signature:
            continue
        try:
            if blame:
                storage.set_trial_user_attr(trial._trial_id, "training", {"status": "failed", "reason": reason})
            else:
                storage.set_trial_system_attr(trial._trial_id, LOST, reason)
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            pass  # somebody else gave it back
