"""The verdict's rivals: what the model has of its own, and what was tuned or known before."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import nn

from glo_lightning.compare.comparison import Comparison
from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "generations": 2, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 2,
    "finalist_seeds": 2, "comparison_seeds": 3, "comparison_epochs": 2, "evaluator": "trainer", "study_name": "toy",
}  # fmt: skip
CPU = {"max_epochs": 1, "accelerator": "cpu"}


class WeightedModel(ToyModel):
    """Has a loss of its own, which candidates do without."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([3.0, 1.0, 0.5]))


def smoothing_classifier() -> Classifier:
    model = Classifier(mlp(hidden=(8,)))
    model.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.3)
    return model


def compare(folder: Path, model: Any, **changes: Any) -> Comparison:
    comparison = LossSearch(**{**SMALL, "output_dir": str(folder), **changes}).run(model, ToyData(), TRAINER).comparison
    assert comparison is not None
    return comparison


def test_a_users_weighted_loss_is_a_row_that_trains_as_lightning_alone_would(tmp_path: Path) -> None:
    comparison = compare(tmp_path, WeightedModel)
    assert [result.name for result in comparison.results][:2] == ["cross-entropy", "your loss"]
    assert comparison.own == "your loss"
    by_lightning = []
    for seed in comparison.seeds:
        seed_everything(seed, workers=True, verbose=False)
        model, data = WeightedModel(), ToyData()
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(**TRAINER, **quiet, enable_model_summary=False, num_sanity_val_steps=0)
        trainer.fit(model, data)
        data.setup("test")
        (metrics,) = trainer.validate(model, data.test_dataloader(), verbose=False)
        by_lightning.append(metrics["val_loss"])
    assert list(comparison.result("your loss").metrics) == pytest.approx(by_lightning, rel=1e-6)


def test_where_the_model_has_cross_entropy_one_row_says_both(tmp_path: Path) -> None:
    comparison = compare(tmp_path, ToyModel)
    assert comparison.own == "cross-entropy"
    assert "your loss" not in [result.name for result in comparison.results]


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
def test_every_evaluator_trains_with_the_models_own_loss(evaluator: Any) -> None:
    task = python_task(smoothing_classifier, DigitsDataModule(), {**CPU, "precision": "64-true"})
    losses = [CrossEntropyLoss(label_smoothing=0.3), None, CrossEntropyLoss()]
    same, own, other = evaluator(task, Monitor("val_loss", "min")).evaluate([Run(loss, 1) for loss in losses])
    assert own.status is Status.COMPLETED
    assert own.metric == pytest.approx(same.metric, rel=1e-9)
    assert own.metric != pytest.approx(other.metric, rel=1e-3)
