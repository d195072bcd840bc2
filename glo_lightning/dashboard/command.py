"""``python -m glo_lightning.dashboard``: watch a search in the browser."""

import ipaddress
import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glo_lightning.cli.collector import collect_again
from glo_lightning.dashboard.server import Server
from glo_lightning.dashboard.starting import StartingPage
from glo_lightning.errors import StudyError
from glo_lightning.extras import require_extra
from glo_lightning.plain_parser import PlainParser

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

WAIT_SECONDS = 0.5
"""Time between two looks at whether a search has begun."""

EXPOSED = "Whoever reaches {host} can read the studies, and change and delete them: there is no password."

_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the dashboard until Ctrl-C.

    Args:
        arguments: the command line; ``sys.argv`` by default.

    Returns:
        The exit code, 0.

    Raises:
        GloError: if there is nothing to watch, the port is in use, or the dashboard is not installed.
    """
    options = _parser().parse_args(arguments)
    require_extra("dashboard", "a dashboard")
    if "://" not in options.source and not Path(options.source).exists():
        raise _nothing(options.source)
    page = StartingPage()
    server = Server(options.host, options.port, page)
    if not _is_local(options.host):
        _logger.warning(EXPOSED.format(host=options.host))
    sys.stdout.write(f"{server.address}\nCtrl-C ends it; the search is not affected.\n")
    sys.stdout.flush()
    try:
        with server:
            _serve(options.source, server, page)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
    return 0


def _serve(source: str, server: Server, page: StartingPage) -> None:
    # Optuna and matplotlib take seconds to import; the browser is answered meanwhile.
    from glo_lightning.dashboard.studies import brief_errors, fresh_notes, show_studies
    from glo_lightning.search.storage.study import quiet_optuna

    collect_again()
    with quiet_optuna(), brief_errors():
        storage, uploads, name = _open(source, page)
        server.application = show_studies(storage, uploads, name)
        with fresh_notes(storage):
            threading.Event().wait()


def _open(source: str, page: StartingPage) -> "tuple[BaseStorage, Path, str]":
    """Return a storage, where to put uploads, and a study's name: of a run's folder, as soon as its search is there."""
    from glo_lightning.dashboard.studies import find_searches
    from glo_lightning.search.records.configuration import Configuration
    from glo_lightning.search.storage.open import open_storage, storage_file

    folder = Path(source)
    if folder.is_dir():
        configuration = Configuration.read(folder)
        page.words = f"The search in {folder} has not begun: it looks at the model and the data first."
        while not (configuration.has_storage or (folder / "best_loss.json").exists()):
            time.sleep(WAIT_SECONDS)
        storage = configuration.open_storage()
        name = configuration.settings.study_name
        while not find_searches(storage, name):
            time.sleep(WAIT_SECONDS)
        return storage, folder / "artifacts", name
    file = storage_file(source)
    if file is not None and not file.is_file():
        raise _nothing(source)
    return open_storage(source, existing=True), Path("artifacts"), ""


def _nothing(source: str) -> StudyError:
    return StudyError(
        "a run's folder, a study's file or a storage URL", repr(source), "Name a folder such as runs/search."
    )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parser() -> PlainParser:
    parser = PlainParser(
        "dashboard",
        "Watch a search in the browser, finished or running, with optuna-dashboard.",
    )
    parser.add_argument(
        "source",
        metavar="RUN",
        help="output folder of a search, such as runs/search; or a file or URL of a storage",
    )
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 for any (default: 8080)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    return parser
