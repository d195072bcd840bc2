"""Which process works on a trial, and whether it is dead: known at once on its own machine, by silence elsewhere."""

import os
import socket
from pathlib import Path
from typing import Literal, NamedTuple

from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.samplers.history import DIED, RELEASED
from glo_lightning.search.samplers.optuna_adapter import TrialStore, id_of_trial

WORKER = "glo:worker"
"""Trial attribute: the process that claimed the trial, as :class:`WorkerIdentity` has it."""


class WorkerIdentity(NamedTuple):
    """One process among all there ever were, on any machine.

    Args:
        place: where process ids mean what they mean to it: host name, boot of the machine, and container on it.
        pid: its process id there.
        start: when it started, because ids are used again; empty where the system does not say.
    """

    place: str
    pid: int
    start: str

    @classmethod
    def of_this_process(cls) -> "WorkerIdentity":
        """Return who is asking."""
        pid = os.getpid()
        return cls(_place(), pid, _start(pid))

    @classmethod
    def of_worker(cls, trial: FrozenTrial) -> "WorkerIdentity | None":
        """Return who claimed a trial; None if it was not claimed by a generational sampler."""
        identity = trial.system_attrs.get(WORKER)
        return None if identity is None else cls(*identity)

    def is_here(self) -> bool:
        """Whether its process id means something to this process."""
        return self.place == _place()

    def is_dead(self) -> bool:
        """Whether it is known to have ended; false for whoever is elsewhere."""
        if not self.is_here():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # there is one, of another user
            pass
        return _start(self.pid) not in ("", self.start)


def give_back_trials(
    study: Study, pid: int, reason: str, ending: Literal["released", "died", "failed"] = "died"
) -> None:
    """End the running trials of a dead worker of this machine, so that their candidates are issued again.

    Args:
        study: they are in.
        pid: the worker's process id.
        reason: how it died.
        ending: what that says of the trials: nothing (``"released"``), nothing until it has happened often
            (``"died"``), or that they are at fault (``"failed"``).
    """
    store = TrialStore(study)
    for trial in store.read((TrialState.RUNNING,)):
        worker = WorkerIdentity.of_worker(trial)
        if worker is None or worker.pid != pid or not worker.is_here():
            continue
        try:
            if ending == "failed":
                store.set_user_attr(id_of_trial(trial), "training", {"status": "failed", "reason": reason})
            else:
                store.set_system_attr(id_of_trial(trial), RELEASED if ending == "released" else DIED, reason)
            store.fail(id_of_trial(trial))
        except UpdateFinishedTrialError:
            pass  # somebody else gave it back


def _place() -> str:
    """Name this machine since it was booted, and this container on it: hosts of one name are not one place."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()} {boot.read_text().strip()} {namespace.readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _start(pid: int) -> str:
    """Return when a process started, in ticks since the machine was booted; empty if that cannot be known."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return ""
    return after_name.split()[19]
