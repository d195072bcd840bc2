"""One of many workers decides; by threads on one storage."""

import threading
import time
from pathlib import Path

import optuna
import pytest

from glo_lightning.search.storage.decision import decide_once
from glo_lightning.search.storage.open import open_storage


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

    with pytest.raises(KeyboardInterrupt):
        decide_once(_study(tmp_path), "evaluator", fail)
    assert decide_once(_study(tmp_path), "evaluator", lambda: "now") == "now"
