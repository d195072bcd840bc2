"""SQLite databases, opened for several processes, or for reading what is there."""

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from glo_lightning.errors import StudyError

LOCK_SECONDS = 60.0
"""Time for other processes to finish what they write to a database."""

CREATE_SECONDS = 10.0
"""Time for another process to create all tables."""

TABLES = {"studies", "trials", "version_info"}
"""Some that a database of Optuna has."""


def require_optuna(path: Path, existing: bool) -> None:
    """Refuse a database of something else before it is opened; nothing beside it is created, and it is not changed.

    Args:
        path: the file.
        existing: whether it must be there, with Optuna's tables; otherwise it may be missing or empty.

    Raises:
        StudyError: if it is of something else, or not there.
        sqlite3.Error: if it is no database.
    """
    if not existing and (not path.exists() or (path.is_file() and path.stat().st_size == 0)):
        return
    tables = _tables(path)
    while (tables & TABLES or (existing and not tables)) and not tables >= TABLES and _is_new(path):
        time.sleep(0.1)
        tables = _tables(path)
    if not tables >= TABLES and (existing or tables):
        raise StudyError(
            f"a database of Optuna's studies at {path}",
            f"one with the tables {', '.join(sorted(tables))[:80]}" if tables else "an empty one",
            "Check the path; a search needs a file of its own."
            if tables
            else "Check the path, or wait until the search has begun.",
        )


def connect(url: URL, existing: bool) -> sqlite3.Connection:
    """Connect so that several processes can work: readers do not block the writer, and writers queue.

    Args:
        url: of the database.
        existing: whether it is there already, and how its journal is kept is somebody else's choice.
    """
    arguments, options = url.get_dialect()().create_connect_args(url)
    database = str(url.database)
    if existing and not database.startswith("file:"):
        arguments, options = [f"{Path(database).absolute().as_uri()}?mode=rw"], {**options, "uri": True}
    connection: sqlite3.Connection = sqlite3.connect(*arguments, **{"timeout": LOCK_SECONDS, **options})  # type: ignore[call-overload]
    if not existing:
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def require_writable(url: URL) -> None:
    """Fail now rather than after the first training if the database cannot be written."""
    connection = connect(url, existing=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE probe (x)")
        connection.rollback()
    finally:
        connection.close()


def settle(path: Path) -> None:
    """Write what SQLite keeps beside a database into it, as far as nobody reads it, without waiting for anybody."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _is_new(path: Path) -> bool:
    """Tell whether another process may be creating tables just now."""
    return time.time() - path.stat().st_mtime < CREATE_SECONDS


def _tables(path: Path) -> set[str]:
    # A database that nobody has open is read as it lies there: otherwise SQLite may put files beside it.
    immutable = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True, timeout=LOCK_SECONDS)
    try:
        rows: list[tuple[Any]] = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    finally:
        connection.close()
    return {name for (name,) in rows}


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode; SQLite does not queue for that as it does for writes, so wait for whoever writes."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.02, 0.1))
