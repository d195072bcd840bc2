"""Ctrl-C and SIGTERM: both end a search, but not in the middle of what must not be left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, by which schedulers stop jobs, end a search as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Act on Ctrl-C and SIGTERM when this ends; processes that are started within have Ctrl-C blocked.

    An error that ends it comes before them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {
        each: signal.signal(each, lambda number, frame: received.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    # A handler is not inherited, but what is blocked is.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for each, handler in handlers.items():
            signal.signal(each, handler)
    if received:
        signal.raise_signal(received[0])


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
