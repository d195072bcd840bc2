"""A launched process: does the work, and tells the launcher what is logged meanwhile, and how it ended."""

import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Literal

from glo_lightning.errors import GloError
from glo_lightning.training.run import EvaluatorLostError

FAREWELL_SECONDS = 20.0
"""Time an interrupted worker has to give its candidates back."""


@dataclass(frozen=True)
class Message:
    """What a launched process has to say; sent as JSON.

    Args:
        kind: "started" when the work begins, "logged" for a record of our loggers, "refused" for an error that
            explains itself, "crashed" for any other.
        name: of a record's logger, or the class of an error that explains itself.
        parts: level and text of a record, the arguments of an error, or the reason of a crash.
    """

    kind: Literal["started", "logged", "refused", "crashed"]
    name: str = ""
    parts: tuple[str, ...] = ()

    def send(self, pipe: Connection) -> None:
        """Send to the launcher."""
        pipe.send_bytes(json.dumps(asdict(self)).encode())

    @classmethod
    def receive(cls, pipe: Connection) -> "Message":
        """Receive from a launched process.

        Raises:
            EOFError: if it has ended.
        """
        return cls(**json.loads(pipe.recv_bytes()))

    def log(self) -> None:
        """Give a record to the logger of its name in this process, where users have set handlers and levels."""
        level, text = self.parts
        logging.getLogger(self.name).log(int(level), "%s", text)


class Forwarder(logging.Handler):
    """Sends messages to the launcher, one at a time, and records of logging among them.

    Args:
        pipe: to the launcher.
    """

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record as text, with the traceback if it has one."""
        with suppress(BrokenPipeError):  # the launcher is gone, and this process about to end
            self.send(Message("logged", record.name, (str(record.levelno), self.format(record))))

    def send(self, message: Message) -> None:
        """Send a message."""
        self.acquire()
        try:
            message.send(self._pipe)
        finally:
            self.release()


def participate(work: Callable[[], None], environment: Mapping[str, str], pipe: Connection, follows: bool) -> None:
    """Do the work in a process of its own.

    Args:
        work: what to do.
        environment: variables for this process.
        pipe: to the launcher.
        follows: whether this process trains with another one, which alone hears Ctrl-C and SIGTERM, and decides.
    """
    threading.Thread(target=_end_with_parent, args=(follows,), daemon=True).start()
    # A terminal sends Ctrl-C to its whole process group; the launcher alone shall hear it, and pass it on once.
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets what came while Ctrl-C was blocked
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.update(environment)
    for each in (signal.SIGINT, signal.SIGTERM):  # schedulers may send SIGTERM to every process of a job
        signal.signal(each, signal.SIG_IGN if follows else signal.default_int_handler)
    forwarder = Forwarder(pipe)
    logger = logging.getLogger("glo_lightning")
    logger.addHandler(forwarder)
    logger.propagate = False  # or what a module of the user's configures for the root would tell it once more
    forwarder.send(Message("started"))
    try:
        work()
    except GloError as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        forwarder.send(Message("refused", type(error).__name__, (error.expected, error.got, error.cure)))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reason = str(error)
        if not isinstance(error, EvaluatorLostError):
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}"
        forwarder.send(Message("crashed", parts=(reason,)))
        if follows:
            # The others are stuck in the middle of an exchange. If this process ended, they would fail, too, and
            # hide the reason; the launcher ends them all.
            time.sleep(FAREWELL_SECONDS)
        sys.exit(1)


def _end_with_parent(follows: bool) -> None:
    """Leave no orphan: when the launcher is gone, give the candidates back and end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    if not follows:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(FAREWELL_SECONDS)
    os._exit(1)
