"""The garbage collector, kept away from what a command imports.

Lightning and what comes with it are a million objects that live as long as the process. Python's collector would go
through all of them again and again while they are made, and once more when the process ends: four tenths of the
processor time of a short command.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Do without the collector until :func:`collect_again`; at the end, leave everything to the system.

    For processes that are ours alone, and around all that they do.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def collect_again() -> None:
    """Collect garbage from now on, if that was put off, but never look at what was imported before."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
