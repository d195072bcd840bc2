"""Stacks of models that predict numbers, against the Trainer."""

import re
from dataclasses import replace

import pytest
import torch

from glo_lightning.data import CorruptedDataModule, DiabetesDataModule
from glo_lightning.data.tensor_data import Splits
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import HuberLoss, LogCoshLoss, ResidualLoss, ScaledLoss
from glo_lightning.models import Regressor, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.population.losses import LossStack
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator

RUNS = [
    Run(ResidualLoss(sigma=2.6), 0),
    Run(HuberLoss(0.3, 2.6), 1),
    Run(ResidualLoss(0.0, 0.5, 0.2, 2.6), 2, hyperparameters={LEARNING_RATE_FACTOR: 3.0}),
    Run(ScaledLoss(ResidualLoss(sigma=2.6), 0.5), 0),
    Run(ResidualLoss(-4.0, 1.5, -0.5, 2.6), 1),
    Run(LogCoshLoss(2.6), 2),
]


class Flat(DiabetesDataModule):
    """Serves targets without a dimension of outputs."""

    def load(self) -> Splits:
        splits = super().load()
        parts = (splits.train, splits.val, splits.test)
        return Splits(*((inputs, target.squeeze(1)) for inputs, target in parts))


def task(data: object = None, width: int = 1, **trainer: object) -> Task:
    datamodule = data or CorruptedDataModule(DiabetesDataModule(batch_size=64), outliers=0.1)
    settings = {"accelerator": "cpu", "max_epochs": 2, "precision": "64-true", **trainer}
    return python_task(lambda: Regressor(mlp(width, 10, (6,))), datamodule, settings)


@pytest.mark.parametrize(("monitor", "mode"), [("val_mae", "min"), ("val_loss", "min"), ("val_r2", "max")])
@pytest.mark.parametrize("split", ["val", "test"])
def test_in_double_precision_scores_are_the_trainers(monitor: str, mode: str, split: str) -> None:
    arguments = (task(), Monitor(monitor, mode, -1e6 if mode == "max" else None), "loss_fn", None, split)
    together, alone = (kind(*arguments).evaluate(RUNS) for kind in (PopulationEvaluator, TrainerEvaluator))
    for got, expected in zip(together, alone, strict=True):
        # Torchmetrics sums errors in single precision.
        assert got.metric == pytest.approx(expected.metric, rel=2e-6, abs=2e-6)
        assert got.curve == pytest.approx(expected.curve, rel=2e-6, abs=2e-6)
        assert replace(got, metric=0.0, curve=(), seconds=0.0) == replace(expected, metric=0.0, curve=(), seconds=0.0)


def test_losses_that_differ_in_numbers_are_one_structure() -> None:
    logits, target = torch.randn(2, 5, 1), torch.randn(5, 1)
    losses = [ResidualLoss(0.0, 0.5, 0.2, 2.6), ResidualLoss(2.0, 1.0, 0.0, 1.0)]
    stack = LossStack(losses, torch.device("cpu"))
    assert len(stack._groups) == 1
    values, gradients = stack.differentiate(logits, target, shared=True)
    for model, loss in enumerate(losses):
        own = logits[model].clone().requires_grad_()
        value = loss(own, target)
        torch.testing.assert_close(values[model], value.detach())
        torch.testing.assert_close(gradients[model], torch.autograd.grad(value, own)[0])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (task(Flat()), r"1 outputs for targets of shape \(266,\)"),
        (task(width=2), "2 outputs for targets"),
    ],
)
def test_predictions_of_another_shape_are_left_to_the_trainer(made: Task, words: str) -> None:
    assert re.search(words, PopulationEvaluator(made, Monitor("val_mae", "min")).obstacle())


def test_a_metric_of_classifiers_is_none_of_theirs() -> None:
    obstacle = PopulationEvaluator(task(), Monitor("val_accuracy")).obstacle()
    assert "the monitor is not val_loss or val_mae or val_r2 but val_accuracy" in obstacle
