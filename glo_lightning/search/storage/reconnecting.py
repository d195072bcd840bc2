"""A storage that waits when its server restarts, and says clearly why it gives up."""

import logging
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import sqlalchemy.exc as sql
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage

from glo_lightning.errors import StudyError

SECONDS = 120.0
"""How long an operation is tried again."""

_logger = logging.getLogger(__name__)


class ReconnectingStorage:
    """Passes every operation on to a storage, and again when the storage was gone for the moment.

    An operation whose answer was lost may have been carried out. All of Optuna's can be repeated: attributes and
    parameters are overwritten with the same, a trial that is finished twice stays as it is, and a trial created twice
    is one whose worker falls silent.

    Args:
        storage: any Optuna storage.
        seconds: how long to try.
    """

    def __init__(self, storage: BaseStorage, seconds: float = SECONDS) -> None:
        self._storage = storage
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # not an operation; and copying asks for these before there is a storage
            raise AttributeError(name)
        operation = getattr(self._storage, name)
        return lambda *args, **kwargs: self._insist(name, lambda: operation(*args, **kwargs))

    def _insist(self, name: str, operation: Callable[[], Any]) -> Any:
        begin = time.monotonic()
        pause = 0.1
        while True:
            try:
                return operation()
            except UpdateFinishedTrialError:
                if name == "set_trial_state_values" and pause > 0.1:
                    return True  # the answer to the first try was lost, not the value
                raise
            except Exception as error:
                trouble = _diagnose(error)
                if trouble is None:
                    raise
                if not trouble.may_pass or time.monotonic() - begin > self._seconds:
                    raise StudyError(
                        "a storage that can be read and written",
                        trouble.reason,
                        "Finished trials are kept: mend the storage and start the same search again.",
                    ) from error
            if pause == 0.1:
                _logger.warning("Storage: %s; trying again for up to %g s.", trouble.reason, self._seconds)
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, 2.0)


BaseStorage.register(ReconnectingStorage)


def reconnecting(storage: BaseStorage) -> BaseStorage:
    """Return the storage so that it waits when its server restarts."""
    return cast(BaseStorage, ReconnectingStorage(storage))


class _Trouble(NamedTuple):
    reason: str
    may_pass: bool


def _diagnose(error: Exception) -> _Trouble | None:
    """Tell what is wrong with a storage and whether waiting can help; ``None`` if it is not the storage's fault.

    A server may come back and a lock may be freed; a full disk or a read-only file stays what it is.
    """
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, sql.PendingRollbackError):  # a read failed, and Optuna read on over the same connection
        return _Trouble("the connection was lost", True)
    if isinstance(cause, sql.DBAPIError):
        reason = str(cause.orig).strip().partition("\n")[0]
        if isinstance(cause.orig, sqlite3.OperationalError):
            return _Trouble(reason, "locked" in reason)
        if cause.connection_invalidated or isinstance(cause, sql.OperationalError | sql.InterfaceError):
            return _Trouble(reason, True)
    if isinstance(cause, OSError):
        return _Trouble(str(cause), False)
    code = getattr(error, "code", None)  # grpc is optional, so its errors are told by their looks
    if type(error).__module__.startswith("grpc") and callable(code) and code().name in ("UNAVAILABLE", "UNKNOWN"):
        return _Trouble(f"the storage proxy is {code().name.lower()}", True)
    return None
