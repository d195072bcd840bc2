"""What every test may rely on."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.runs import glo_run, taylor_run, unfinished_run

settings.register_profile("without deadline", deadline=None)  # a busy machine is not a failure
settings.load_profile("without deadline")

__all__ = ["glo_run", "taylor_run", "unfinished_run"]


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Give Ctrl-C its meaning back: a run in the background of a shell starts with SIGINT ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(autouse=True)
def _nothing_is_left_in_the_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the user modules that a test imported (many are called mine), and what it compiled."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    folder = tmp_path_factory.getbasetemp()
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(folder):
            del sys.modules[name]
    if "torch._dynamo" in sys.modules:
        sys.modules["torch"].compiler.reset()
