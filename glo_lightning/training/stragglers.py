"""Report the rank that a training waits for, because nobody else does: the others wait in silence."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Trainer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.words import duration

_logger = logging.getLogger(__name__)

SILENCE_SECONDS = 180.0
"""How long a training may stand still before its stragglers are reported."""

SIGNS = 90
"""Signs of life that a rank gives in that time."""


@dataclass
class _Rank:
    """What is known of a rank: how many steps it has made, the last of them, and since when that is known."""

    steps: int = 0
    last: str = "was started"
    moved: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)


class StragglerWatch(LeanCallback):
    """Counts the steps of a rank, and tells rank 0 of them while a training runs.

    When no rank has made a step for ``SILENCE_SECONDS``, rank 0 names those that are behind, or that are stopped and
    say nothing; of rank 0 itself, rank 1 says so. Signs of life are small datagrams, so nothing ever waits for them.

    Args:
        rank: of this process.
        ranks: that train together.
        port: on which rank 0 listens; None on rank 0, which chooses it.
    """

    def __init__(self, rank: int, ranks: int, port: int | None = None) -> None:
        super().__init__()
        self.rank = rank
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._others = {} if port is None else {0: address}
        if port is None:
            # Elsewhere, the name of this machine may mean another of its addresses.
            self._socket.bind((host if host in ("127.0.0.1", "localhost") else "", 0))
        self._ranks = {each: _Rank() for each in (range(ranks) if rank == 0 else {0, rank})}
        self._batch = ""
        self._reported = 0.0

    @property
    def port(self) -> int:
        """Where this rank listens."""
        port: int = self._socket.getsockname()[1]
        return port

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Give and take signs of life while a training runs."""
        self.begin()
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Count a step."""
        self._batch = f"batch {batch_idx} of epoch {trainer.current_epoch}"
        self._step(f"began {self._batch}")

    def on_before_backward(self, trainer: Trainer, pl_module: Any, loss: Any) -> None:
        """Count a step."""
        self._step(f"computed the loss of {self._batch}")

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        """Count a step."""
        self._step(f"computed the gradient of {self._batch}")

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a step."""
        self._step(f"ended {self._batch}")

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count a step."""
        self._step(f"began batch {batch_idx} of the validation after epoch {trainer.current_epoch}")

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Count a step."""
        self._step(f"ended the validation after epoch {trainer.current_epoch}")

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count a step."""
        self._step(f"began batch {batch_idx} of the test split")

    def _step(self, what: str) -> None:
        own = self._ranks[self.rank]
        own.steps, own.last, own.moved = own.steps + 1, what, time.monotonic()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(SILENCE_SECONDS / SIGNS):
            if line := self.look():
                _logger.warning(line)

    def begin(self) -> None:
        """Count a step, and forget what was heard since the last training."""
        self._step("began to train")
        self._exchange()
        for each in self._ranks.values():
            each.moved = each.heard = time.monotonic()
        self._reported = 0.0

    def look(self) -> str:
        """Give and take signs of life, and return what there is to say, if anything."""
        self._exchange()
        moved = max(each.moved for each in self._ranks.values())
        report = self._report(time.monotonic() - moved) if moved > self._reported else ""
        if report:
            self._reported = moved
        return report

    def _exchange(self) -> None:
        own = self._ranks[self.rank]
        own.heard = time.monotonic()
        with suppress(BlockingIOError):
            while True:
                with suppress(ConnectionError):  # nobody listens yet, or any more
                    self._hear(*self._socket.recvfrom(1000))
        sign = json.dumps([self.rank, own.steps, own.last]).encode()
        for address in self._others.values():
            with suppress(OSError):
                self._socket.sendto(sign, address)

    def _hear(self, sign: bytes, address: Any) -> None:
        try:
            rank, steps, last = json.loads(sign)
            known = self._ranks[rank]
            if rank == self.rank or not (isinstance(steps, int) and isinstance(last, str) and last.isprintable()):
                return
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # from somebody else
        self._others[rank] = address
        known.heard = time.monotonic()
        if steps > known.steps:
            known.steps, known.last, known.moved = steps, last, known.heard

    def _report(self, still: float) -> str:
        """Return the line to log when no rank has moved for so many seconds; empty if there is nothing to say."""
        if still < SILENCE_SECONDS:
            return ""
        now = time.monotonic()
        ranks = {number: each for number, each in self._ranks.items() if self.rank == 0 or number == 0}
        silent = [number for number, each in ranks.items() if now - each.heard >= SILENCE_SECONDS / 2]
        fewest = min(each.steps for each in ranks.values())
        behind = silent or [number for number, each in ranks.items() if each.steps == fewest]
        if self.rank > 0 and (self.rank > 1 or not silent):
            return ""
        what = "gives no sign of life; the last it did: it" if silent else "last"
        names = "; ".join(f"rank {number} {what} {ranks[number].last}" for number in behind)
        return f"The training has stood still for {duration(still)}: {names}."
