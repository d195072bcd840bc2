"""Lists of trainings that processes share, by threads on one storage: nothing that has finished is trained twice."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest

from glo_lightning.compare.shared_trainings import SharedTrainings
from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import count_run
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Run, Status


class Counting:
    """Scores a run by its seed, slowly, and counts; crashes with some seeds, and is stopped after some trainings."""

    def __init__(self, unlucky: Sequence[int] = (), stop: int | None = None) -> None:
        self.unlucky = unlucky
        self.stop = stop
        self.seeds: list[int] = []

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        time.sleep(0.02)
        if self.stop is not None and len(self.seeds) + len(runs) > self.stop:
            raise KeyboardInterrupt
        self.seeds += [run.seed for run in runs]
        return [self._evaluation(run.seed) for run in runs]

    def _evaluation(self, seed: int) -> Evaluation:
        if seed in self.unlucky:
            return Evaluation(0.0, Status.FAILED, f"unlucky {seed}", seed=seed)
        curve = (seed / 200, seed / 100)
        return Evaluation(seed / 100, Status.COMPLETED, seconds=1.5, seed=seed, epoch=2, curve=curve)


def _study(folder: Path) -> optuna.Study:
    return optuna.create_study(
        study_name="mine", storage=open_storage(folder / "study.db"), direction="maximize", load_if_exists=True
    )


def _shared(evaluator: Counting, folder: Path, batch: int = 1, **basis: object) -> SharedTrainings:
    return SharedTrainings(evaluator, _study(folder), "finalists", basis, Monitor(), batch=batch)


RUNS = [Run(CrossEntropyLoss(), seed) for seed in range(10, 22)]


@pytest.mark.parametrize("batch", [1, 5])
def test_processes_share_a_list_and_all_get_everything_in_order(batch: int, tmp_path: Path) -> None:
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
    assert results[0][0] == Evaluation(0.10, Status.COMPLETED, "", 1.5, 10, 2, {}, (0.05, 0.10))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_list_is_worked_through_once_and_continued_where_it_stopped(batch: int, tmp_path: Path) -> None:
    first, second, third = Counting(stop=2), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        _shared(first, tmp_path, batch).evaluate(RUNS[:4])
    _shared(second, tmp_path, batch).evaluate(RUNS[:4])
    _shared(third, tmp_path, batch).evaluate(RUNS[:4])
    assert (first.seeds, second.seeds, third.seeds) == ([10, 11], [12, 13], [])


def test_more_seeds_more_losses_and_fewer_cost_only_what_is_new(tmp_path: Path) -> None:
    first, more, fewer = Counting(), Counting(), Counting()
    few = _shared(first, tmp_path).evaluate(RUNS[:3])
    others = [Run(MeanSquaredErrorLoss(), 10), *RUNS[:4]]
    evaluations = _shared(more, tmp_path, batch=5).evaluate(others)
    assert more.seeds == [10, 13]
    assert evaluations[1:4] == few
    assert _shared(fewer, tmp_path).evaluate(RUNS[1:4:2]) == [evaluations[2], evaluations[4]]
    assert fewer.seeds == []


def test_what_an_unfinished_list_has_finished_counts_too(tmp_path: Path) -> None:
    stopped, other = Counting(stop=2), Counting()
    with pytest.raises(KeyboardInterrupt):
        _shared(stopped, tmp_path).evaluate(RUNS[:5])
    _shared(other, tmp_path).evaluate(RUNS[1:3])
    assert (stopped.seeds, other.seeds) == ([10, 11], [12])


def test_equal_runs_are_trained_once_and_all_progress_is_announced(tmp_path: Path) -> None:
    evaluator, done = Counting(), []
    shared = SharedTrainings(evaluator, _study(tmp_path), "trainings", {}, Monitor(), batch=2, announce=done.append)
    evaluations = shared.evaluate([*RUNS[:3], *RUNS[:3]])
    assert evaluator.seeds == [10, 11, 12]
    assert evaluations[:3] == evaluations[3:]
    assert done == [2, 3]


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


def test_other_losses_seeds_hyperparameters_monitors_or_another_basis_are_other_trainings(tmp_path: Path) -> None:
    evaluator = Counting()
    run = Run(CrossEntropyLoss(), 1)
    _shared(evaluator, tmp_path, epochs=1).evaluate([run])
    _shared(evaluator, tmp_path, epochs=2).evaluate([run])
    _shared(evaluator, tmp_path, epochs=1).evaluate([Run(MeanSquaredErrorLoss(), 1)])
    _shared(evaluator, tmp_path, epochs=1).evaluate([Run(CrossEntropyLoss(), 2)])
    _shared(evaluator, tmp_path, epochs=1).evaluate([Run(CrossEntropyLoss(), 1, hyperparameters={"model.width": 3})])
    worse = Monitor(worst=-1.0)
    SharedTrainings(evaluator, _study(tmp_path), "finalists", {"epochs": 1}, worse).evaluate([run])
    SharedTrainings(evaluator, _study(tmp_path), "fidelity", {"epochs": 1}, Monitor()).evaluate([run])
    assert evaluator.seeds == [1, 1, 1, 2, 1, 1, 1]
    assert len(optuna.get_all_study_names(_study(tmp_path)._storage)) == 8


def test_reports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="report"):
        _shared(Counting(), tmp_path).evaluate([Run(CrossEntropyLoss(), 1, lambda epoch, metric: False)])
