"""The local launcher with real processes."""

import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.search.workers.local import DeadWorker, LocalLauncher
from tests.search.workers import works

ROOT = Path(__file__).parents[3]


def _wait_for(condition: Callable[[], bool], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_every_worker_runs_once_in_its_own_process_and_environment(tmp_path: Path) -> None:
    work = functools.partial(works.sign, tmp_path, "CUDA_VISIBLE_DEVICES", "LOCAL_RANK")
    LocalLauncher(work, [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"}]).run()
    files = list(tmp_path.iterdir())
    assert sorted(file.read_text() for file in files) == ["0,1 -", "2,3 -"]
    assert str(os.getpid()) not in {file.name for file in files}
    assert "LOCAL_RANK" not in os.environ


def test_ranks_share_an_address_and_know_their_place(tmp_path: Path) -> None:
    names = ("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    LocalLauncher(functools.partial(works.sign, tmp_path, *names), [{}], ranks=2).run()
    ranks, sizes, addresses, ports = zip(*(file.read_text().split() for file in tmp_path.iterdir()), strict=True)
    assert sorted(ranks) == ["0", "1"]
    assert set(sizes) == {"2"}
    assert set(addresses) == {"127.0.0.1"}
    assert len(set(ports)) == 1


def test_what_workers_log_reaches_the_handlers_and_levels_of_the_launcher(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    LocalLauncher(functools.partial(works.warn, tmp_path), [{}, {}]).run()
    assert {each.name for each in caplog.records} == {"glo_lightning.elsewhere"}
    told = sorted((each.levelname, each.getMessage().partition("\nTraceback")[0]) for each in caplog.records)
    assert told == [("ERROR", "and the rest")] * 2 + [("WARNING", "50 % of it is gone")] * 2
    assert capfd.readouterr().err == "", "told once, by the launcher"
    caplog.clear()
    with caplog.at_level(logging.ERROR, "glo_lightning"):
        LocalLauncher(functools.partial(works.warn, tmp_path), [{}]).run()
    assert [each.levelname for each in caplog.records] == ["ERROR"]


def test_a_killed_worker_is_told_of_and_started_again(tmp_path: Path) -> None:
    dead: list[DeadWorker] = []
    LocalLauncher(functools.partial(works.die_once, tmp_path), [{}], on_death=dead.append).run()
    assert [(each.reason, each.blame) for each in dead] == [("signal SIGKILL", False)]


def test_a_worker_killed_before_it_began_is_started_again(tmp_path: Path) -> None:
    dead: list[DeadWorker] = []
    LocalLauncher(works.DiesOnArrival(tmp_path), [{}], on_death=dead.append).run()
    assert [(each.reason, each.blame) for each in dead] == [("signal SIGKILL", False)]
    assert (tmp_path / "done").exists()


def test_work_that_cannot_be_imported_is_refused_with_the_cure() -> None:
    with pytest.raises(SettingsError, match="import, because several work together"):
        LocalLauncher(works.FailsOnArrival(), [{}]).run()


def test_a_crashed_rank_takes_its_group_along_and_is_blamed(tmp_path: Path) -> None:
    dead: list[DeadWorker] = []
    started = time.monotonic()
    LocalLauncher(functools.partial(works.crash_as_rank_1, tmp_path), [{}], ranks=2, on_death=dead.append).run()
    assert [(each.reason, each.blame) for each in dead] == [("ValueError: rank 1 has had enough", True)]
    assert time.monotonic() - started < 60
    assert len({file.name.rpartition(" ")[2] for file in tmp_path.glob("rank 0*")}) == 2, "a port of its own each time"


def test_whoever_is_told_of_a_dead_worker_may_give_up(tmp_path: Path) -> None:
    def give_up(dead: DeadWorker) -> None:
        raise GloError("life", dead.reason, "Stop.")

    with pytest.raises(GloError, match="SIGKILL"):
        LocalLauncher(functools.partial(works.die_once, tmp_path), [{}], on_death=give_up).run()


@pytest.mark.parametrize(
    ("work", "kind"), [(works.refuse, "SettingsError"), (works.refuse_with_a_private_error, "GloError")]
)
def test_an_explained_error_comes_through(work: Callable[[], None], kind: str) -> None:
    with pytest.raises(GloError, match=r"Expected a, got b. C.") as caught:
        LocalLauncher(work, [{}, {}]).run()
    assert type(caught.value).__name__ == kind


def test_work_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(SettingsError, match="sent to other processes"):
        LocalLauncher(lambda: None, [{}]).run()


def test_a_script_without_a_guard_is_refused_with_the_cure(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from glo_lightning.errors import SettingsError\n"
        "from glo_lightning.search.workers.local import LocalLauncher\n"
        "from tests.search.workers import works\n"
        "LocalLauncher(works.refuse, [{}]).run()\n"
    )
    result = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        capture_output=True, timeout=240,
    )  # fmt: skip
    assert "__main__" in result.stderr.splitlines()[-1]


def test_ctrl_c_reaches_every_worker_once_and_leaves_none(tmp_path: Path) -> None:
    def interrupt() -> None:
        _wait_for(lambda: len(list(tmp_path.glob("* began"))) == 2)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        LocalLauncher(functools.partial(works.give_back_when_interrupted, tmp_path), [{}, {}]).run()
    assert len(list(tmp_path.glob("* gave back"))) == 2


def test_a_worker_that_does_not_end_in_time_is_killed_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not give back what it held, and that says nothing of its candidates."""
    monkeypatch.setattr("glo_lightning.search.workers.local.FAREWELL_SECONDS", 0.1)
    killed: list[int] = []

    def interrupt() -> None:
        _wait_for(lambda: bool(list(tmp_path.glob("* began"))))
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    launcher = LocalLauncher(functools.partial(works.hear_nothing, tmp_path), [{}], on_kill=killed.append)
    with pytest.raises(KeyboardInterrupt):
        launcher.run()
    assert [f"{pid} began" for pid in killed] == [file.name for file in tmp_path.iterdir()]


def test_a_worker_that_is_terminated_gives_back_first_and_is_started_again(tmp_path: Path) -> None:
    dead: list[DeadWorker] = []
    LocalLauncher(functools.partial(works.give_back_when_terminated, tmp_path), [{}], on_death=dead.append).run()
    assert len(list(tmp_path.glob("* gave back"))) == 1
    assert len(dead) == 1


LOADING = """
import multiprocessing.forkserver, os, signal, sys, threading, time
from functools import partial
from pathlib import Path
from glo_lightning.search.workers.local import LocalLauncher
from tests.search.workers import works

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    number, folder = getattr(signal, sys.argv[1]), Path(sys.argv[2])

    ended = threading.Event()

    def kill():
        while not ended.wait(0.01):
            pid = multiprocessing.forkserver._forkserver._forkserver_pid
            if pid is not None and number == signal.SIGKILL:
                os.kill(pid, number)
            elif pid is not None:
                return os.kill(os.getpid(), number)

    threading.Thread(target=kill).start()
    try:
        LocalLauncher(partial(works.sign, folder), [{}, {}]).run()
    finally:
        ended.set()
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


def _kill_while_loading(name: str, folder: Path) -> str:
    script = folder / "script.py"
    script.write_text(LOADING)
    ended = subprocess.run(
        [sys.executable, str(script), name, str(folder)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True, capture_output=True, timeout=240,
    )  # fmt: skip
    return ended.stderr.splitlines()[-1]


def test_ctrl_c_while_the_workers_load_ends_the_search(tmp_path: Path) -> None:
    assert _kill_while_loading("SIGINT", tmp_path) == "KeyboardInterrupt"


def test_what_is_killed_while_the_workers_load_is_named(tmp_path: Path) -> None:
    assert "a process to fork workers from, got one that was killed" in _kill_while_loading("SIGKILL", tmp_path)


def test_orphans_give_back_and_end(tmp_path: Path) -> None:
    code = f"import sys; from pathlib import Path; from tests.search.workers import works\n" \
           f"if __name__ == '__main__': works.launch(Path({str(tmp_path)!r}), 2)"  # fmt: skip
    (tmp_path / "launcher.py").write_text(code)
    launcher = subprocess.Popen(
        [sys.executable, str(tmp_path / "launcher.py")], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    _wait_for(lambda: len(list(tmp_path.glob("* began"))) == 2)
    launcher.kill()
    launcher.wait()
    _wait_for(lambda: len(list(tmp_path.glob("* gave back"))) == 2)
    workers = [int(file.name.split()[0]) for file in tmp_path.glob("* began")]
    _wait_for(lambda: not any(_is_alive(worker) for worker in workers))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
