"""Heartbeats of workers, in any storage and without comparing clocks: which trials have a living worker, and which not.

A worker changes one attribute of its running trials every few seconds. Whoever waits for such a trial monitors that
attribute: if it stays the same for the grace period, by the waiter's own clock, the worker is presumed dead. Optuna's
heartbeat cannot serve here: it exists for one kind of storage and not for ``ask`` and ``tell``.
"""

import itertools
import logging
import threading
import time
from collections.abc import Iterable

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from glo_lightning.search.samplers.optuna_adapter import TrialStore

HEARTBEAT = "glo:heartbeat"
"""Trial attribute: a count that grows as long as the trial's worker lives."""

_logger = logging.getLogger(__name__)


class Heartbeat:
    """Writes a heartbeat to the running trials of this process, from a thread of its own.

    The thread runs while there is something to keep alive. Trials shorter than the interval cost no write at all.

    Args:
        store: the trials' study.
        interval: seconds between two beats.
    """

    def __init__(self, store: TrialStore, interval: float) -> None:
        self._store = store
        self._interval = interval
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hold(self, trial_id: int) -> None:
        """Keep a trial alive until it is dropped or finished."""
        with self._lock:
            self._held.add(trial_id)
            if self._thread is None or not self._thread.is_alive():  # a forked child has the field, not the thread
                self._thread = threading.Thread(target=self._beat, name="glo-heartbeat", daemon=True)
                self._thread.start()

    def drop(self, trial_id: int) -> None:
        """Stop keeping a trial alive."""
        with self._lock:
            self._held.discard(trial_id)

    def _beat(self) -> None:
        for count in itertools.count(1):
            time.sleep(self._interval)
            with self._lock:
                if not self._held:
                    self._thread = None
                    return
                held = list(self._held)
            for trial_id in held:
                try:
                    self._store.set_system_attr(trial_id, HEARTBEAT, count)
                except (UpdateFinishedTrialError, KeyError):
                    self.drop(trial_id)
                except Exception as error:  # a storage in trouble must not end the heartbeat
                    _logger.warning("No heartbeat written for trial %d: %s", trial_id, error)


class HeartbeatMonitor:
    """Finds the running trials whose workers have fallen silent.

    Only time in which this process was itself reading counts, at most two beats between readings: after an outage
    of the storage, or a machine that slept, living workers get the time to show themselves.

    Args:
        grace_period: seconds of silence after which a worker is presumed dead.
        interval: seconds between two beats.
    """

    def __init__(self, grace_period: float, interval: float) -> None:
        self._grace_period = grace_period
        self._interval = interval
        self._silences: dict[int, tuple[object, float]] = {}
        self._last = time.monotonic()

    def silent(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Take a reading of the running trials and return those that were silent for too long."""
        now = time.monotonic()
        elapsed = min(now - self._last, 2 * self._interval)
        self._last = now
        silences = {}
        for trial in trials:
            beat = trial.system_attrs.get(HEARTBEAT)
            before, silence = self._silences.get(trial.number, (beat, -elapsed))
            silences[trial.number] = (beat, silence + elapsed if beat == before else 0.0)
        self._silences = silences
        return [trial for trial in trials if silences[trial.number][1] > self._grace_period]
