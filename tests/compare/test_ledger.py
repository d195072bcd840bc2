"""Nothing that has finished is trained twice, whatever happens in between."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from glo_lightning.compare.ledger import Ledger, LedgerEvaluator
from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.training.run import Evaluation, Run, Status

RUNS = [Run(loss(), seed) for loss in (CrossEntropyLoss, MeanSquaredErrorLoss) for seed in (1, 2)]


class Trainings:
    """An evaluator that counts, validates twice a training, and crashes or is stopped on demand."""

    def __init__(self, crash: int | None = None, stop: int | None = None) -> None:
        self.crash, self.stop = crash, stop
        self.done: list[int] = []

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        evaluations = []
        for run in runs:
            if len(self.done) == self.stop:
                raise KeyboardInterrupt
            for epoch in (0, 1):
                assert run.report is not None
                assert not run.report(epoch, run.seed + epoch / 2)
            status = Status.FAILED if len(self.done) == self.crash else Status.COMPLETED
            self.done.append(run.seed)
            evaluations.append(Evaluation(run.seed / 10, status, "out of memory" * (status is Status.FAILED)))
        return evaluations


def _evaluator(path: Path, trainings: Trainings, together: int = 1, writes: bool = True) -> LedgerEvaluator:
    identity = {"epochs": 2, "model": {"width": 3}}
    return LedgerEvaluator(lambda: trainings, Ledger(path, writes), identity, ("epochs",), together)


def test_a_second_evaluation_trains_nothing_and_says_the_same(tmp_path: Path) -> None:
    first, second = Trainings(), Trainings()
    evaluations = _evaluator(tmp_path / "ledger", first).evaluate(RUNS)
    again = _evaluator(tmp_path / "ledger", second)
    assert again.missing(RUNS) == []
    assert again.evaluate(RUNS) == evaluations
    assert (len(first.done), second.done) == (4, [])
    assert again.curve(RUNS[1]) == [2.0, 2.5]


def test_what_was_stopped_or_cut_short_is_trained_again_and_nothing_else(tmp_path: Path) -> None:
    path, stopped, rest = tmp_path / "ledger", Trainings(stop=2), Trainings()
    with pytest.raises(KeyboardInterrupt):
        _evaluator(path, stopped).evaluate(RUNS)
    path.write_bytes(path.read_bytes()[:-20])
    assert [evaluation.metric for evaluation in _evaluator(path, rest).evaluate(RUNS)] == [0.1, 0.2, 0.1, 0.2]
    assert rest.done == [2, 1, 2]
    assert _evaluator(path, Trainings()).missing(RUNS) == []


def test_lines_that_are_no_entries_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    _evaluator(path, Trainings()).evaluate(RUNS)
    first, rest = path.read_bytes().split(b"\n", 1)
    key = first.partition(b",")[0]
    path.write_bytes(b"\x00\xff\xfe\n[1]\n3\n" + key + b"}\n" + rest)
    assert _evaluator(path, Trainings()).missing(RUNS) == RUNS[:1]


def test_a_crash_is_told_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="out of memory"):
        _evaluator(tmp_path / "ledger", Trainings(crash=1), together=3).evaluate(RUNS)
    assert len(_evaluator(tmp_path / "ledger", Trainings()).missing(RUNS)) == 2


def test_another_task_is_another_training(tmp_path: Path) -> None:
    _evaluator(tmp_path / "ledger", Trainings()).evaluate(RUNS)
    wider = LedgerEvaluator(Trainings, Ledger(tmp_path / "ledger"), {"epochs": 2, "model": {"width": 4}})
    assert wider.missing(RUNS) == RUNS


def test_equal_runs_are_trained_once_and_one_process_writes(tmp_path: Path) -> None:
    trainings = Trainings()
    follower = _evaluator(tmp_path / "ledger", trainings, together=2, writes=False)
    assert len(follower.evaluate([*RUNS, *RUNS])) == 8
    assert len(trainings.done) == 4
    assert not (tmp_path / "ledger").exists()
    assert Ledger(tmp_path / "ledger").last("epochs", 7) == 7
    _evaluator(tmp_path / "ledger", Trainings()).evaluate(RUNS)
    assert Ledger(tmp_path / "ledger").last("epochs", 7) == 2
