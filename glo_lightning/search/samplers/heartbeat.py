"""Tell the trials of living workers from those of dead ones, in any storage and without comparing clocks.

A worker changes one attribute of its running trials every few seconds. Whoever waits for such a trial watches that
attribute: if it stays the same for the grace period, by the waiter's own clock, the worker is presumed dead. Optuna's
heartbeat cannot serve here: it exists for one kind of storage and not for ``ask`` and ``tell``.
"""

import itertools
import logging
import threading
import time
from collections.abc import Iterable

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

BEAT = "glo:beat"
"""Trial attribute: a count that grows as long as the trial's worker lives."""

_logger = logging.getLogger(__name__)


class Lease:
    """Keeps a sign of life in the running trials of this process, from a thread of its own.

    The thread runs while there is something to keep alive. Trials shorter than the interval cost no write at all.

    Args:
        interval: seconds between two signs.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._held: dict[int, BaseStorage] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hold(self, storage: BaseStorage, trial_id: int) -> None:
        """Keep a trial alive until it is dropped or finished."""
        with self._lock:
            self._held[trial_id] = storage
            if self._thread is None or not self._thread.is_alive():  # a forked child has the field, not the thread
                self._thread = threading.Thread(target=self._beat, name="glo-lease", daemon=True)
                self._thread.start()

    def drop(self, trial_id: int) -> None:
        """Stop keeping a trial alive."""
        with self._lock:
            self._held.pop(trial_id, None)

    def _beat(self) -> None:
        for count in itertools.count(1):
            time.sleep(self._interval)
            with self._lock:
                if not self._held:
                    self._thread = None
                    return
                held = list(self._held.items())
            for trial_id, storage in held:
                try:
                    storage.set_trial_system_attr(trial_id, BEAT, count)
                except (UpdateFinishedTrialError, KeyError):
                    self.drop(trial_id)
                except Exception as error:  # a storage in trouble must not end the signs of life
                    _logger.warning("No sign of life written for trial %d: %s", trial_id, error)


class Watch:
    """Finds the running trials whose workers have fallen silent.

    Only time in which this process was itself reading counts, at most two beats between readings: after an outage
    of the storage, or a machine that slept, living workers get the time to show themselves.

    Args:
        grace: seconds of silence after which a worker is presumed dead.
        interval: seconds between two signs of life.
    """

    def __init__(self, grace: float, interval: float) -> None:
        self._grace = grace
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
            beat = trial.system_attrs.get(BEAT)
            before, silence = self._silences.get(trial.number, (beat, -elapsed))
            silences[trial.number] = (beat, silence + elapsed if beat == before else 0.0)
        self._silences = silences
        return [trial for trial in trials if silences[trial.number][1] > self._grace]
