"""What every test may rely on."""

import signal
from collections.abc import Iterator

import pytest

from tests.runs import glo_run, taylor_run, unfinished_run

__all__ = ["glo_run", "taylor_run", "unfinished_run"]


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Give Ctrl-C its meaning back: a run in the background of a shell starts with SIGINT ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)
