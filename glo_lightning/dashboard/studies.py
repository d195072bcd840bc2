"""The studies of a storage in optuna-dashboard, with pictures and notes."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage

from glo_lightning.dashboard.guard import Application
from glo_lightning.dashboard.note import refresh_notes
from glo_lightning.dashboard.pictures import Pictures
from glo_lightning.dashboard.view import view
from glo_lightning.errors import GloError
from glo_lightning.search.samplers.optuna_adapter import id_of_study
from glo_lightning.search.storage.study import FINGERPRINT

NOTE_SECONDS = 10.0
"""Time between two looks at whether notes are out of date."""


def show_studies(storage: BaseStorage, uploads: Path, name: str = "") -> Application:
    """Return the dashboard as a WSGI application, whose front page is that of a search, if there is one.

    Args:
        storage: of the studies; only notes are written to it, and what users change in the browser.
        uploads: folder for files that users upload.
        name: the search's study; by default the first.
    """
    from optuna_dashboard import wsgi

    dashboard: Application = wsgi(view(storage), Pictures(storage, uploads))

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("", "/") and (searches := find_searches(storage, name)):
            start_response("302 Found", [("Location", f"/dashboard/studies/{searches[0]}"), ("Content-Length", "0")])
            return []
        return dashboard(environ, start_response)

    return application


def find_searches(storage: BaseStorage, name: str = "") -> list[int]:
    """Return the identities of the studies that searches have begun, or of the one that has a name."""
    return [
        id_of_study(study)
        for study in storage.get_all_studies()
        if FINGERPRINT in study.user_attrs and name in ("", study.study_name)
    ]


@contextmanager
def fresh_notes(storage: BaseStorage) -> Iterator[None]:
    """Keep the notes of a storage's searches up to date, in a thread."""
    over = threading.Event()

    def refresh() -> None:
        while not over.is_set():
            # A storage that is gone, read-only or of a newer version must not end the show.
            with suppress(GloError, KeyError, TypeError, ValueError, optuna.exceptions.OptunaError):
                refresh_notes(storage)
            over.wait(NOTE_SECONDS)

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield
    finally:
        # A thread that computes while the interpreter ends can crash it.
        over.set()
        thread.join(NOTE_SECONDS)


@contextmanager
def brief_errors() -> Iterator[None]:
    """Have optuna-dashboard say in a line what went wrong, without the traceback."""
    logger = logging.getLogger("optuna_dashboard._bottle_util")

    def shorten(record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).partition("\n")[0]
        return True

    logger.addFilter(shorten)
    try:
        yield
    finally:
        logger.removeFilter(shorten)
