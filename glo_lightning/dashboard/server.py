"""Serve the dashboard of a storage to this machine's browsers."""

import errno
import socketserver
import threading
from contextlib import suppress
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.storages import BaseStorage

from glo_lightning.dashboard.note import refresh_notes
from glo_lightning.dashboard.pictures import Pictures
from glo_lightning.dashboard.view import view
from glo_lightning.errors import EnvironmentMismatchError, GloError, SettingsError
from glo_lightning.search.samplers.optuna_adapter import id_of_study
from glo_lightning.search.storage.study import FINGERPRINT

NOTE_SECONDS = 10.0
"""Time between two looks at whether notes are out of date."""


class Dashboard:
    """A dashboard that listens as soon as it is made, and answers once it serves.

    Args:
        storage: of the studies; only notes are written to it, and what users change in the browser.
        uploads: folder for files that users upload.
        host: the address to listen on.
        port: the port; 0 for any that is free.

    Raises:
        EnvironmentMismatchError: if optuna-dashboard is not installed.
        SettingsError: if host or port cannot be listened on.
    """

    def __init__(self, storage: BaseStorage, uploads: Path, host: str, port: int) -> None:
        try:
            from optuna_dashboard import wsgi
        except ImportError as error:
            raise EnvironmentMismatchError(
                "optuna-dashboard", "none installed", "pip install 'glo-lightning[dashboard]'."
            ) from error
        self._storage = storage
        application = wsgi(view(storage), Pictures(storage, uploads))
        try:
            self._server = make_server(host, port, application, _ThreadingServer, _SilentHandler)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise SettingsError(
                f"a free port on an address of this machine, not {host}:{port}",
                "one in use" if taken else str(error),
                "Choose another with --port, or 0 for any that is free." if taken else "Check --host and --port.",
            ) from error
        self._closed = threading.Event()

    @property
    def address(self) -> str:
        """Where the browser finds it: the page of the first search, if there is one."""
        host, port = self._server.server_address[:2]
        page = next((f"/studies/{study_id}" for study_id in self._searches()), "")
        return f"http://{host!s}:{port}/dashboard{page}"

    def serve(self) -> None:
        """Answer until :meth:`close` is called, and keep the notes up to date."""
        notes = threading.Thread(target=self._refresh_notes, daemon=True)
        notes.start()
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            # A thread that computes while the interpreter ends can crash it.
            self._closed.set()
            notes.join(NOTE_SECONDS)

    def close(self) -> None:
        """Stop serving."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def _searches(self) -> list[int]:
        studies = self._storage.get_all_studies()
        searches = [study for study in studies if FINGERPRINT in study.user_attrs]
        return [id_of_study(study) for study in searches]

    def _refresh_notes(self) -> None:
        while not self._closed.is_set():
            # A storage that is gone, read-only or of a newer version must not end the show.
            with suppress(GloError, KeyError, TypeError, ValueError, optuna.exceptions.OptunaError):
                refresh_notes(self._storage)
            self._closed.wait(NOTE_SECONDS)


class _ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without the look-up of this machine's name, which takes seconds where there is no name server."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Leave the terminal to what matters."""
