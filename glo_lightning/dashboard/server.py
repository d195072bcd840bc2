"""Serve this machine's browsers. Imports nothing heavy: it answers at once."""

import errno
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from glo_lightning.dashboard.guard import Application, guard
from glo_lightning.errors import SettingsError


class Server:
    """Listens as soon as it is made, and answers, from threads, inside of its context.

    Args:
        host: the address to listen on.
        port: the port; 0 for any that is free.
        application: answers; may be replaced at any time.

    Raises:
        SettingsError: if host or port cannot be listened on.
    """

    def __init__(self, host: str, port: int, application: Application) -> None:
        self.application = application
        try:
            self._server = _ThreadingServer((host, port), _SilentHandler)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            raise SettingsError(
                f"a free port on an address of this machine, not {host}:{port}",
                "one in use" if taken else str(error),
                "Choose another with --port, or 0 for any that is free." if taken else "Check --host and --port.",
            ) from error
        self._server.set_app(guard(self._answer, {host.lower(), str(self._server.server_address[0])}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)

    @property
    def address(self) -> str:
        """Where the browser finds it."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.application(environ, start_response)


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
