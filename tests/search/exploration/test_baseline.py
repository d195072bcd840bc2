"""What everybody trains with, trained as candidates are: what a search is seen beside."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from glo_lightning.dashboard.note import write_note
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import BaselineScore, baseline_of
from glo_lightning.search.records.read import Archive
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, DivergingModel, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "generations": 1, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 1,
    "finalist_seeds": 1, "comparison_seeds": 0, "evaluator": "trainer", "study_name": "toy", "seed": 3,
}  # fmt: skip


def search(folder: Path, model: Any = ToyModel, **changes: Any) -> optuna.Study:
    return LossSearch(**{**SMALL, "output_dir": folder, **changes}).run(model, ToyData(), TRAINER).study


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_trained_once_with_the_seed_of_the_candidates(
    workers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = search(tmp_path, workers=workers)
    evaluator = TrainerEvaluator(python_task(ToyModel, ToyData(), TRAINER), Monitor("val_loss", "min"))
    (evaluation,) = evaluator.evaluate([Run(CrossEntropyLoss(), 3)])
    assert baseline_of(study) == BaselineScore("cross-entropy", evaluation.metric)
    decision = optuna.load_study(study_name="toy/baseline", storage=storage_of(study))
    assert len(decision.get_trials(states=[TrialState.COMPLETE])) == 1, "a claim that came second has failed"
    assert f"cross-entropy   {evaluation.metric:.4f}" in caplog.text


def test_an_unfinished_page_and_the_dashboard_tell_it(tmp_path: Path) -> None:
    study = search(tmp_path)
    baseline = baseline_of(study)
    assert baseline is not None
    assert f"Trained as they are, cross-entropy has {baseline.metric:.4f}." in write_note(study)
    assert "cross-entropy" in build_page(Archive.open(tmp_path))


def test_where_it_diverges_nothing_is_told(tmp_path: Path) -> None:
    class First(DivergingModel):
        """Diverges until the candidates train."""

        built = 0

        def __init__(self) -> None:
            super().__init__()
            First.built += 1
            self.first_epoch = 0 if First.built <= 4 else 9

    study = search(tmp_path, First)
    assert baseline_of(study) is None
    assert "Trained as they are" not in write_note(study)
