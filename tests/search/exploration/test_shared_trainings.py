"""Work that all workers of a search share, by threads on one storage."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.search.exploration.shared_trainings import SharedEvaluator, decide_once
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import count_run
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Run, Status


class Counting:
    """Scores a run by its seed, slowly, and counts."""

    def __init__(self, unlucky: Sequence[int] = ()) -> None:
        self.unlucky = unlucky
        self.seeds: list[int] = []

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        time.sleep(0.02)
        self.seeds += [run.seed for run in runs]
        return [self._evaluation(run.seed) for run in runs]

    def _evaluation(self, seed: int) -> Evaluation:
        if seed in self.unlucky:
            return Evaluation(0.0, Status.FAILED, f"unlucky {seed}", seed=seed)
        return Evaluation(seed / 100, Status.COMPLETED, seconds=1.5, seed=seed, epoch=2)


def _study(folder: Path) -> optuna.Study:
    return optuna.create_study(
        study_name="mine", storage=open_storage(folder / "study.db"), direction="maximize", load_if_exists=True
    )


def _shared(evaluator: Counting, folder: Path, batch: int = 1, **basis: object) -> SharedEvaluator:
    return SharedEvaluator(evaluator, _study(folder), "finalists", basis, Monitor(), batch=batch)


RUNS = [Run(CrossEntropyLoss(), seed) for seed in range(10, 22)]


@pytest.mark.parametrize("batch", [1, 5])
def test_workers_share_a_list_and_all_get_everything_in_order(batch: int, tmp_path: Path) -> None:
    evaluators = [Counting() for _ in range(3)]
    results: dict[int, list[Evaluation]] = {}

    def work(number: int) -> None:
        results[number] = _shared(evaluators[number], tmp_path, batch).evaluate(RUNS)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trained = sorted(seed for evaluator in evaluators for seed in evaluator.seeds)
    assert trained == list(range(10, 22))
    assert results[0] == results[1] == results[2]
    assert [evaluation.seed for evaluation in results[0]] == list(range(10, 22))
    assert results[0][0] == Evaluation(0.10, Status.COMPLETED, "", 1.5, 10, 2)


def test_a_list_is_worked_through_once_and_continued_where_it_stopped(tmp_path: Path) -> None:
    class Stopping(Counting):
        def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
            if len(self.seeds) == 2:
                raise KeyboardInterrupt
            return super().evaluate(runs)

    first, second, third = Stopping(), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        _shared(first, tmp_path).evaluate(RUNS[:3])
    _shared(second, tmp_path).evaluate(RUNS[:3])
    _shared(third, tmp_path).evaluate(RUNS[:3])
    assert (first.seeds, second.seeds, third.seeds) == ([10, 11], [12], [])


def test_a_crash_has_no_say_and_the_next_time_only_what_crashed_is_trained(tmp_path: Path) -> None:
    for round_ in range(3):
        count_run("mine", open_storage(tmp_path / "study.db"))
        unlucky = Counting(unlucky=[11, 13])
        with pytest.raises(StudyError, match=r"2 of \d+ that crashed, the last: unlucky 13"):
            _shared(unlucky, tmp_path).evaluate(RUNS)
        expected = [*range(10, 22), 11, 13] if round_ == 0 else [11, 11, 13, 13]
        assert sorted(unlucky.seeds) == sorted(expected), "each once, and what crashed once more"
        again = Counting()
        with pytest.raises(StudyError, match="unlucky 13"):
            _shared(again, tmp_path).evaluate(RUNS)
        assert again.seeds == [], "a worker that is started again belongs to the same run"
    count_run("mine", open_storage(tmp_path / "study.db"))
    lucky, idle = Counting(), Counting()
    evaluations = _shared(lucky, tmp_path).evaluate(RUNS)
    assert lucky.seeds == [11, 13]
    assert [evaluation.seed for evaluation in evaluations] == list(range(10, 22))
    assert [evaluation.metric for evaluation in evaluations] == [seed / 100 for seed in range(10, 22)]
    assert _shared(idle, tmp_path).evaluate(RUNS) == evaluations
    assert idle.seeds == []


def test_other_losses_or_another_basis_are_another_list(tmp_path: Path) -> None:
    evaluator = Counting()
    _shared(evaluator, tmp_path, epochs=1).evaluate([Run(CrossEntropyLoss(), 1)])
    _shared(evaluator, tmp_path, epochs=2).evaluate([Run(CrossEntropyLoss(), 1)])
    _shared(evaluator, tmp_path, epochs=1).evaluate([Run(MeanSquaredErrorLoss(), 1)])
    assert evaluator.seeds == [1, 1, 1]
    assert len(optuna.get_all_study_names(_study(tmp_path)._storage)) == 4


def test_reports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="report"):
        _shared(Counting(), tmp_path).evaluate([Run(CrossEntropyLoss(), 1, lambda epoch, metric: False)])


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
