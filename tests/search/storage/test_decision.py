"""One of many workers decides; by threads on one storage."""

import os
import threading
import time
from pathlib import Path

import optuna
import pytest

from glo_lightning.errors import StudyError
from glo_lightning.search.samplers.worker_identity import give_back_trials
from glo_lightning.search.storage.decision import decide_once, decide_unless_another_does
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import count_run


def _study(folder: Path) -> optuna.Study:
    return optuna.create_study(study_name="mine", storage=open_storage(folder / "study.db"), load_if_exists=True)


def test_a_decision_is_taken_once_by_one(tmp_path: Path) -> None:
    asked: list[int] = []
    answers: list[str] = []

    def decide(number: int) -> str:
        asked.append(number)
        time.sleep(0.2)
        return f"as {number} says"

    def work(number: int) -> None:
        answers.append(decide_once(_study(tmp_path), "evaluator", lambda: decide(number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert answers == [f"as {asked[0]} says"] * 3
    assert decide_once(_study(tmp_path), "evaluator", lambda: "otherwise") == answers[0]


def test_a_decision_nobody_could_take_is_left_to_the_next(tmp_path: Path) -> None:
    def fail() -> str:
        raise KeyboardInterrupt

    for _ in range(8):
        with pytest.raises(KeyboardInterrupt):
            decide_once(_study(tmp_path), "evaluator", fail)
    assert decide_once(_study(tmp_path), "evaluator", lambda: "now") == "now"


def test_a_decision_that_kills_its_workers_ends_with_an_error_and_the_next_run_decides(tmp_path: Path) -> None:
    deaths = []

    def die() -> str:
        deaths.append(None)
        give_back_trials(
            optuna.load_study(study_name="mine/references", storage=open_storage(tmp_path / "study.db")),
            os.getpid(),
            "signal SIGKILL",
        )
        raise RuntimeError("a process that dies says nothing")

    _study(tmp_path)
    for _ in range(6):
        with pytest.raises(RuntimeError):
            decide_once(_study(tmp_path), "references", die)
    for _ in range(2):
        with pytest.raises(StudyError, match="a decision on references, got none"):
            decide_once(_study(tmp_path), "references", die)
    assert len(deaths) == 6, "a worker that is started again belongs to the same run"
    count_run("mine", open_storage(tmp_path / "study.db"))
    assert decide_once(_study(tmp_path), "references", lambda: "now") == "now"
    assert decide_once(_study(tmp_path), "references", lambda: "otherwise") == "now"


def test_who_does_not_wait_goes_on_while_another_decides(tmp_path: Path) -> None:
    answers: list[str | None] = []
    begun, ended = threading.Event(), threading.Event()

    def decide() -> str:
        begun.set()
        assert ended.wait(60.0)
        return "done"

    thread = threading.Thread(
        target=lambda: answers.append(decide_unless_another_does(_study(tmp_path), "baseline", decide))
    )
    thread.start()
    assert begun.wait(60.0)
    assert decide_unless_another_does(_study(tmp_path), "baseline", lambda: "mine") is None
    ended.set()
    thread.join()
    assert answers == ["done"]
    assert decide_unless_another_does(_study(tmp_path), "baseline", lambda: "mine") == "done"
