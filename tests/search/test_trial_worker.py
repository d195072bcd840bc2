"""What becomes of candidates whose training ends badly."""

import functools
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.samplers.fixed import FixedListSampler
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.trial_worker import TrialWorker
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, EvaluatorLostError, Run, Status
from tests.search.toy import TRAINER, HeldModel, OutOfMemoryModel, ToyData, ToyModel


class Scripted:
    """Evaluates as a script says; one entry per training, the last one for ever."""

    def __init__(self, *script: Evaluation | BaseException) -> None:
        self.script = list(script)

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        return [self._next() for _ in runs]

    def _next(self) -> Evaluation:
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, BaseException):
            raise entry
        return entry


class ListWorker(TrialWorker):
    def prepare(self, trial: Trial) -> Run:
        return Run(CrossEntropyLoss(), 0)


GOOD = Evaluation(0.5, Status.COMPLETED)
FAILED = Evaluation(0.0, Status.FAILED, "out of memory")


def _worker(evaluator: Scripted, size: int = 3, attempts: int = 1, batch: int = 1) -> ListWorker:
    sampler = FixedListSampler(size, max_retry=attempts)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    return ListWorker(study, sampler, evaluator, Monitor(), batch)


def _states(worker: TrialWorker) -> list[str]:
    return [trial.state.name for trial in worker.study.trials]


def test_a_failed_training_is_tried_again_and_then_left() -> None:
    worker = _worker(Scripted(FAILED, FAILED, GOOD), attempts=1)
    worker.run()
    assert _states(worker) == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert [worker.sampler.slot_of(trial).index for trial in worker.study.trials] == [0, 0, 1, 2]
    assert worker.study.trials[0].user_attrs["training"]["reason"] == "out of memory"


def test_a_lost_evaluator_fails_the_candidate_and_ends_the_worker() -> None:
    worker = _worker(Scripted(GOOD, EvaluatorLostError("rank 1 crashed")))
    with pytest.raises(EvaluatorLostError):
        worker.run()
    assert _states(worker) == ["COMPLETE", "FAIL"]
    assert worker.study.trials[1].user_attrs["training"]["reason"] == "rank 1 crashed"


def test_an_interrupt_gives_the_whole_batch_back_without_blame() -> None:
    worker = _worker(Scripted(KeyboardInterrupt()), attempts=0, batch=3)
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert _states(worker) == ["FAIL"] * 3
    worker.evaluator = Scripted(GOOD)
    worker.run()
    assert _states(worker)[3:] == ["COMPLETE"] * 3


def test_crash_after_crash_is_the_models_fault() -> None:
    worker = _worker(Scripted(FAILED), size=10)
    with pytest.raises(StudyError, match="10 crashes in a row, the last: out of memory"):
        worker.run()


def test_late_results_do_no_harm() -> None:
    worker = _worker(Scripted(GOOD), size=1)
    evaluate = worker.evaluator.evaluate

    def slow(runs: Sequence[Run]) -> list[Evaluation]:
        trial = worker.study.trials[-1]
        worker.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        worker.evaluator.evaluate = evaluate  # type: ignore[method-assign]
        return evaluate(runs)

    worker.evaluator.evaluate = slow  # type: ignore[method-assign]
    worker.run()
    assert _states(worker) == ["FAIL", "COMPLETE"]


def test_a_worker_taken_for_dead_before_it_prepares_a_candidate_leaves_it_to_others() -> None:
    worker = _worker(Scripted(GOOD), size=1)
    prepare = worker.prepare

    def prepare_late(trial: Trial) -> Run:
        worker.prepare = prepare  # type: ignore[method-assign]
        worker.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        trial.set_user_attr("note", "too late")
        return prepare(trial)

    worker.prepare = prepare_late  # type: ignore[method-assign]
    worker.run()
    assert _states(worker) == ["FAIL", "COMPLETE"]


def _search(folder: Path, model: Any = ToyModel, **changes: Any) -> SearchResult:
    settings = {
        "generations": 3, "population_size": 8, "monitor": "val_loss", "mode": "min", "comparison_seeds": 0,
        "finalist_seeds": 1, "invariant": "none", "sigma": 2.0, "study_name": "toy", "output_dir": str(folder),
    }  # fmt: skip
    return LossSearch(**{**settings, **changes}).run(model, ToyData(), TRAINER)


def test_out_of_memory_fails_one_candidate_and_not_the_others(tmp_path: Path) -> None:
    result = _search(tmp_path, OutOfMemoryModel, parameters="theta", storage="memory")
    failed = [trial for trial in result.study.trials if trial.state == TrialState.FAIL]
    assert failed
    assert all("CUDA out of memory" in trial.user_attrs["training"]["reason"] for trial in failed)
    slots = {(trial.user_attrs["generation"], trial.user_attrs["index"]) for trial in result.study.trials}
    assert slots == {(generation, index) for generation in range(3) for index in range(8)}
    assert len(read_candidates(result.study)) == 24 - len(failed) // 2, "each was tried twice"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("mounting needs privileges")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_disk_that_fills_up_loses_nothing_that_was_finished(small_disk: Path, tmp_path: Path, name: str) -> None:
    path, ballast, full = small_disk / name, small_disk / "ballast", tmp_path / "full"
    model = functools.partial(HeldModel, str(full))

    def fill_later() -> None:
        while not path.exists() or len(_finished(path)) < 8:
            time.sleep(0.05)
        _fill(ballast)
        full.touch()

    threading.Thread(target=fill_later, daemon=True).start()
    with pytest.raises(StudyError, match=r"full|No space left"):
        _search(tmp_path / "out", model, storage=str(path), workers=2)
    finished = _finished(path)
    assert len(finished) >= 8
    ballast.unlink()
    again = _search(tmp_path / "out", model, storage=str(path), workers=2)
    undisturbed = _search(tmp_path / "out", model, storage="memory")
    assert _outcome(again) == _outcome(undisturbed)
    assert {trial.number for trial in finished} <= {record.trial for record in read_candidates(again.study)}


def _finished(path: Path) -> list[FrozenTrial]:
    try:
        study = optuna.load_study(study_name="toy", storage=open_storage(path))
    except KeyError:
        return []
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def _outcome(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(candidate.parameters, candidate.metric) for candidate in read_candidates(result.study)]
