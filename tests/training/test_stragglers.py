"""Who holds a training up is named, whether it sleeps or is stopped."""

import functools
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glo_lightning.search.workers.local import LocalLauncher
from glo_lightning.training import stragglers
from glo_lightning.training.stragglers import StragglerWatch
from tests.training import ranks


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("sleep", "rank {rank} last began batch 1 of epoch 0."),
        ("stop", "rank {rank} gives no sign of life; the last it did: it "),
    ],
)
def test_a_rank_that_hangs_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rank: int, how: str, line: str
) -> None:
    def wake() -> None:
        if line.format(rank=rank) in caplog.text and not (tmp_path / "go on").exists():
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGCONT)
            (tmp_path / "go on").touch()

    LocalLauncher(functools.partial(ranks.hang, tmp_path, rank, how), [{}], ranks=2).run(poll=wake)
    assert (tmp_path / "go on").exists(), caplog.text


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stragglers, "time", clock)
    return clock


def _train(ranks: int) -> list[StragglerWatch]:
    first = StragglerWatch(0, ranks)
    watches = [first, *(StragglerWatch(rank, ranks, first.port) for rank in range(1, ranks))]
    for watch in watches:
        watch.begin()
    return watches


def _wait(clock: Clock, seconds: int, *watches: StragglerWatch) -> list[str]:
    """Return what is said in a time in which no rank makes a step."""
    said = []
    for _ in range(seconds // 2):
        clock.now += 2.0
        said += [line for watch in watches if (line := watch.look())]
    return said


def _begin(watch: StragglerWatch, batch: int) -> None:
    trainer: Any = SimpleNamespace(current_epoch=0)
    watch.on_train_batch_start(trainer, None, None, batch)


def test_one_stall_is_one_line_and_the_next_is_another(clock: Clock) -> None:
    first, second = _train(2)
    for stall in (1, 2):
        for watch in (first, second):
            _begin(watch, stall)
        first.on_before_backward(None, None, None)  # type: ignore[arg-type]
        assert _wait(clock, 178, first, second) == []
        (line,) = _wait(clock, 1000, first, second)
        assert line == f"The training has stood still for 3 min 0 s: rank 1 last began batch {stall} of epoch 0."


def test_ranks_that_are_equally_far_are_all_named(clock: Clock) -> None:
    watches = _train(3)
    for watch in watches:
        _begin(watch, 4)
    (line,) = _wait(clock, 1000, *watches)
    assert line.count("last began batch 4 of epoch 0") == 3


@pytest.mark.parametrize("stopped", [0, 2])
def test_a_rank_without_a_sign_of_life_is_named_by_one_other(clock: Clock, stopped: int) -> None:
    watches = _train(3)
    for watch in watches:
        _begin(watch, 4)
    _wait(clock, 10, *watches)
    (line,) = _wait(clock, 1000, *(watch for watch in watches if watch.rank != stopped))
    assert line.endswith(f"rank {stopped} gives no sign of life; the last it did: it began batch 4 of epoch 0.")


def test_nothing_is_said_while_somebody_gets_on(clock: Clock) -> None:
    first, second = _train(2)  # whose signs of life are not heard
    for batch in range(100):
        _begin(first, batch)
        assert _wait(clock, 100, first) == []
    _begin(second, 0)
    first.begin()
    assert _wait(clock, 178, first, second) == [], "a training begins anew"


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{}", b"[1]", b'[7, 1, "x"]', b'[[], 1, "x"]', b'[1, 9, "\\u001b[2J"]', b"[" * 999]
)
def test_what_somebody_else_sends_is_no_sign_of_life(clock: Clock, content: bytes) -> None:
    first, said = StragglerWatch(0, 2), []
    first.begin()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):
            sender.sendto(content, ("127.0.0.1", first.port))
            said += _wait(clock, 2, first)
    assert said == [
        "The training has stood still for 3 min 0 s: rank 1 gives no sign of life; the last it did: it was started."
    ]
