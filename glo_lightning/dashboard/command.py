"""``python -m glo_lightning.dashboard``: watch a search in the browser."""

import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glo_lightning.errors import StudyError
from glo_lightning.plain_parser import PlainParser

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

EXPOSED = """\
Whoever reaches {host} can read the studies, and change and delete them: there is no password.
"""


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
    # Optuna and matplotlib take seconds to import; help does without.
    from glo_lightning.dashboard.server import Dashboard
    from glo_lightning.search.storage.study import quiet_optuna

    with quiet_optuna():
        storage, uploads = _open(options.source)
        dashboard = Dashboard(storage, uploads, options.host, options.port)
        if not _is_local(options.host):
            sys.stderr.write(EXPOSED.format(host=options.host))
        sys.stdout.write(f"{dashboard.address}\nCtrl-C ends it; the search is not affected.\n")
        sys.stdout.flush()
        try:
            dashboard.serve()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
    return 0


def _open(source: str) -> "tuple[BaseStorage, Path]":
    from glo_lightning.search.records.configuration import Configuration
    from glo_lightning.search.storage.open import open_storage, storage_file

    if Path(source).is_dir():
        return Configuration.read(Path(source)).open_storage(), Path(source) / "artifacts"
    file = storage_file(source)
    if file is not None and not file.is_file():
        raise StudyError(
            "a run's folder, a study's file or a storage URL", repr(source), "Name a folder such as runs/search."
        )
    return open_storage(source), Path("artifacts")


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
