"""Open the storage of a study from a path or a URL."""

import functools
import importlib.util
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy.exc as sql
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage, get_storage
from sqlalchemy.engine import URL, make_url

from glo_lightning.errors import StudyError
from glo_lightning.extras import install_command
from glo_lightning.search.storage import sqlite_file
from glo_lightning.search.storage.database import DatabaseStorage
from glo_lightning.search.storage.journal_file import JournalFile, require_journal
from glo_lightning.search.storage.population_journal import PopulationJournal
from glo_lightning.search.storage.reconnecting import reconnecting

CONNECT_SECONDS = 10
"""Time for a server to answer when a storage is opened."""


def open_storage(url: str | os.PathLike[str] | None = None, existing: bool = False) -> BaseStorage:
    """Open a storage, or create it.

    Args:
        url: a path, to an SQLite database or, if it ends in ``.log``, to a journal; or ``memory``,
            ``sqlite:///PATH``, ``journal:///PATH``, ``postgresql://USER:PASSWORD@HOST/DATABASE``,
            ``grpc://HOST:PORT``, or another URL that Optuna takes. By default ``study.db`` in the working directory.
            SQLite needs a disk of this machine; in a folder shared by several machines, use a journal.
        existing: whether it is opened to look at what is there, so that nothing is created: no file, folder or table.

    Returns:
        A storage for ``optuna.create_study``. When its server or disk is gone for a moment, operations wait.

    Raises:
        StudyError: if the storage cannot be reached or written, holds something else than studies, or, where it must
            exist, does not; or if its driver is not installed.

    Example:
        >>> import optuna
        >>> storage = open_storage(getfixture("tmp_path") / "study.db")
        >>> optuna.create_study(storage=storage, study_name="digits").study_name
        'digits'
    """
    text = "study.db" if url is None else os.fspath(url)
    if text == "memory":
        return InMemoryStorage()
    if text.startswith("grpc://"):
        return reconnecting(_open_proxy(text))
    if text.startswith("journal://") or ("://" not in text and text.endswith(".log")):
        return reconnecting(_open_journal(Path(text.removeprefix("journal://")), existing))
    return reconnecting(_open_database(text if "://" in text else f"sqlite:///{text}", existing))


def storage_file(url: str) -> Path | None:
    """Return the file that a storage lives in; None if it lives in memory or on a server.

    Example:
        >>> storage_file("sqlite:///runs/study.db"), storage_file("study.log"), storage_file("grpc://host:13000")
        (PosixPath('runs/study.db'), PosixPath('study.log'), None)
    """
    for scheme in ("sqlite:///", "journal://"):
        if url.startswith(scheme):
            return Path(url.removeprefix(scheme))
    return None if "://" in url or url == "memory" else Path(url)


@contextmanager
def settled(url: str) -> Iterator[None]:
    """Leave a study whole in its file at the end, where SQLite keeps what is new beside it.

    Args:
        url: of the storage.
    """
    try:
        yield
    finally:
        path = storage_file(url)
        if path is not None and path.is_file():
            with suppress(sqlite3.Error):  # a journal is no database; and what is beside one is still there
                sqlite_file.settle(path)


def without_password(url: str) -> str:
    """Return the address of a storage as it may be kept: the password comes from elsewhere.

    Example:
        >>> without_password("postgresql://me:secret@host/db"), without_password("study.log")
        ('postgresql://me@host/db', 'study.log')
    """
    if "://" not in url:
        return url
    try:
        parsed = make_url(url)
    except (sql.ArgumentError, ValueError):
        return url
    bare = URL.create(parsed.drivername, parsed.username, None, parsed.host, parsed.port, parsed.database)
    kept = {name: value for name, value in parsed.query.items() if "password" not in name}
    return bare.update_query_dict(kept).render_as_string(hide_password=False)


def _open_database(text: str, existing: bool) -> BaseStorage:
    try:
        url = make_url(text)
    except (sql.ArgumentError, ValueError):
        raise StudyError(
            "a path or a storage URL", "something else", "Try sqlite:///study.db or postgresql://USER@HOST/DATABASE."
        ) from None
    options: dict[str, Any] = {}
    try:
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername=f"postgresql+{_postgres_driver()}")
        if url.get_backend_name() == "postgresql":
            options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            file = url
            if not url.database.startswith("file:"):
                _prepare(Path(url.database), existing)
                file = url.set(database=str(Path(url.database).absolute()))  # whatever folder is worked in later
            # A partial can be sent to other processes.
            options = {"creator": functools.partial(sqlite_file.connect, file, existing)}
            if not existing:
                sqlite_file.require_writable(url)
        return _open_tables(url, options, existing)
    except StudyError:
        raise
    except (ImportError, sql.NoSuchModuleError) as error:
        raise StudyError(
            f"the driver of {url.drivername}",
            "none installed",
            f"For PostgreSQL: {install_command('postgres')}.",
        ) from error
    except (sql.SQLAlchemyError, StorageInternalError, sqlite3.Error, OSError, RuntimeError) as error:
        raise StudyError(
            f"a storage to read and write at {url.render_as_string(hide_password=True)}", _reason(error), _cure(url)
        ) from error


def _cure(url: URL) -> str:
    """Return what to do about a database that cannot be used."""
    if url.get_backend_name() == "sqlite":
        return "Check the path, its permissions and the room on its disk; a damaged file must be restored or removed."
    return (
        "Check that it runs, and its address, user, password and permissions; a password is never stored: give it in "
        "the address, or by PGPASSWORD or ~/.pgpass."
    )


def _prepare(path: Path, existing: bool) -> None:
    """Refuse a file that is not there, or create its folder, and refuse a database of something else."""
    if existing and not path.is_file():
        raise StudyError(f"the file of a study at {path}", "none", "Check the path.")
    sqlite_file.require_optuna(path, existing)
    path.parent.mkdir(parents=True, exist_ok=True)


def _open_tables(url: URL, options: dict[str, Any], existing: bool) -> BaseStorage:
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")  # Optuna formats it
    for _ in range(0 if existing else 5):
        try:
            return _connect(url, text, options, existing)
        except (sql.IntegrityError, sql.OperationalError, sql.ProgrammingError) as error:
            if not isinstance(error, sql.IntegrityError) and "exists" not in str(error):
                raise
            time.sleep(random.uniform(0.1, 0.5))  # another worker creates the same tables just now
    return _connect(url, text, options, existing)


def _connect(url: URL, text: str, options: dict[str, Any], existing: bool) -> BaseStorage:
    if url.get_backend_name() in ("sqlite", "postgresql"):
        return DatabaseStorage(text, options, skip_table_creation=existing)
    return get_storage(RDBStorage(text, engine_kwargs={"pool_pre_ping": True, **options}, skip_table_creation=existing))


def _postgres_driver() -> str:
    for driver in ("psycopg2", "psycopg"):
        if importlib.util.find_spec(driver) is not None:
            return driver
    raise ImportError("no PostgreSQL driver")


def _open_journal(path: Path, existing: bool) -> BaseStorage:
    if existing and not path.is_file():
        raise StudyError(f"the file of a study at {path}", "none", "Check the path.")
    try:
        require_journal(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return PopulationJournal(JournalFile(str(path)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"a journal to read and write at {path}",
            _reason(error),
            "Check the path and its permissions; a file of another kind needs another path.",
        ) from error


def _open_proxy(text: str) -> BaseStorage:
    host, _, port = text.removeprefix("grpc://").rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise StudyError("grpc://HOST:PORT", text, "Optuna's proxy listens on port 13000 unless told otherwise.")
    try:
        from optuna.storages import GrpcStorageProxy

        storage = GrpcStorageProxy(host=host, port=int(port))
        storage.wait_server_ready(timeout=CONNECT_SECONDS)
    except ImportError as error:
        raise StudyError("grpcio for a grpc:// storage", "none installed", f"{install_command('grpc')}.") from error
    except ConnectionError as error:
        raise StudyError(
            f"a storage proxy at {host}:{port}",
            "no answer",
            "Start one with optuna.storages.run_grpc_proxy_server.",
        ) from error
    return storage


def _reason(error: BaseException) -> str:
    """Return what the driver said, without the SQL around it."""
    cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
