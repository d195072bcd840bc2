"""A journal that takes the trials of a population at once."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from glo_lightning.search.samplers.optuna_adapter import Told, finish
from glo_lightning.search.storage.journal_file import JournalFile


class PopulationJournal(JournalStorage):
    """Optuna's storage in a journal, that takes the trials of a population at once: in one write of many lines.

    Args:
        file: the journal.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._batches: dict[int, list[dict[str, Any]]] = {}
        super().__init__(file)

    def create_new_trials(
        self, study_id: int, templates: Sequence[FrozenTrial], expected: int | None = None
    ) -> list[FrozenTrial]:
        """Create running trials and return them; none if the study has not the expected number of trials any more."""
        with self._thread_lock:
            # Optuna looks at it before the lines are written, when there may be none yet.
            self._replay_result._last_created_trial_id_by_this_process = -1
        with self._collect() as lines:
            for template in templates:
                self.create_new_trial(study_id, template)
        with self._thread_lock:
            written = False
            while not written:
                self._sync_with_backend()
                if expected is not None and len(self._replay_result.get_all_trials(study_id, None)) != expected:
                    return []
                written = self._file.append_after(self._replay_result.log_number_read, lines)
            self._sync_with_backend()
            # Lines that are written together are replayed together.
            last = self._replay_result._last_created_trial_id_by_this_process
            return [self._replay_result.get_trial(last - place) for place in reversed(range(len(templates)))]

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        """End those trials that still run."""
        with self._collect() as lines:
            for told in all_told:
                finish(self, told)
        with self._thread_lock:
            self._file.append_logs(lines)
            replayed = False
            while not replayed:
                with suppress(UpdateFinishedTrialError):  # of a line about a trial that has ended; others may follow
                    self._sync_with_backend()
                    replayed = True

    @contextmanager
    def _collect(self) -> Iterator[list[dict[str, Any]]]:
        """Keep the lines that this thread would write."""
        try:
            yield self._batches.setdefault(threading.get_ident(), [])
        finally:
            del self._batches[threading.get_ident()]

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        lines = self._batches.get(threading.get_ident())
        if lines is None:
            super()._write_log(op_code, extra_fields)
        else:
            lines.append({"op_code": op_code, "worker_id": self._replay_result.worker_id, **extra_fields})

    def _sync_with_backend(self) -> None:
        if threading.get_ident() not in self._batches:
            super()._sync_with_backend()
