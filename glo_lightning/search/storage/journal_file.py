"""A journal file that a dying writer cannot break."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend

MAX_LINE = 1_000_000
FIRST = b'{"op_code":'
"""How every line of a journal begins."""


class JournalFile(JournalFileBackend):
    """Optuna's journal file, mended in two places.

    Optuna's lock is a file: a writer killed while it holds the lock makes all others wait half a minute. Here the
    kernel holds the lock, and frees it with the process. And a line that was cut short, by a full disk or a power cut,
    makes Optuna's journal unreadable for ever once another line is written behind it. Here every writer first removes
    such a line, and takes back its own if it cannot write all of it.

    Args:
        file_path: the journal; created if missing.
    """

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path)
        self._path = file_path

    @property
    def _guard(self) -> FileLock:
        # A new one for each use: a lock that is kept could not be sent to other processes.
        return FileLock(f"{self._path}.guard")

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write log entries, all or none."""
        with self._guard.acquire(poll_interval=0.002), open(self._path, "r+b", buffering=0) as file:
            _append(file, logs)

    def append_after(self, log_number: int, logs: list[dict[str, Any]]) -> bool:
        """Write log entries if nothing stands behind the first ``log_number`` of them, which were read.

        Returns:
            Whether they were written.
        """
        with self._guard.acquire(poll_interval=0.002), open(self._path, "r+b", buffering=0) as file:
            is_last = _end(file) == self._log_number_offset[log_number]
            if is_last:
                _append(file, logs)
            return is_last


def require_journal(path: Path) -> None:
    """Refuse a file that is no journal of Optuna's; it may be missing or empty, and is not changed.

    Raises:
        ValueError: if it is something else.
        OSError: if it cannot be read.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        line = file.readline(MAX_LINE)
    if not line or (not line.endswith(b"\n") and line.startswith(FIRST)):  # a first line may have been cut short, too
        return
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not isinstance(entry.get("op_code"), int) or "worker_id" not in entry:
        raise ValueError("a file of another kind")


def _append(file: Any, logs: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
    end = _end(file)
    try:
        if file.write(lines) != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)
        raise


def _end(file: Any) -> int:
    """Return the position behind the last whole line, and make it the end of the file."""
    end: int = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        end = file.read().rfind(b"\n") + 1
        file.truncate(end)
    file.seek(end)
    return end
