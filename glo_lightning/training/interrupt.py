"""Ctrl-C, as Python has it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch import Trainer


@contextmanager
def keyboard_interrupts(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: a Trainer turns it into ``sys.exit(1)`` and ignores the next.

    Args:
        trainer: the Trainer that fits, validates or tests in the block.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once the Trainer has closed its loggers and called its callbacks.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as exit_:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from exit_
