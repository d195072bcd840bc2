"""Validation of a stack, against torchmetrics on each model."""

import pytest
import torch
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy

from glo_lightning.models import Classifier, Regressor
from glo_lightning.training.population.recipe import Recipe, limited
from glo_lightning.training.population.scoring import MEASURES, score

RECIPE = Recipe(1, 1, 1.0, 1.0, 1.0, None, Precision(), torch.device("cpu"))
P, C = 3, 4


class Fixed:
    """Stands in for a stack: its logits are the inputs."""

    def __len__(self) -> int:
        return P

    def __call__(self, inputs: Tensor, shared: bool, training: bool) -> Tensor:
        assert shared
        assert not training
        return inputs.transpose(0, 1)


def _batches() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    batches = [(torch.randn(n, P, C).round(), torch.randint(C, (n,))) for n in (7, 5)]  # rounded: with ties
    batches[0][0][0, 1] = float("nan")
    batches[1][0][2, 2, 3] = float("inf")
    return batches


@pytest.mark.parametrize("at_once", [1, 3, 100])
@pytest.mark.parametrize("metric", MEASURES[Classifier])
def test_metrics_are_torchmetrics(metric: str, at_once: int) -> None:
    batches = _batches()
    scores = score(Fixed(), batches, metric, RECIPE, at_once)  # type: ignore[arg-type]
    for model in range(P):
        expected: Metric = {
            "val_accuracy": MulticlassAccuracy(C, average="micro"),
            "val_balanced_accuracy": MulticlassAccuracy(C, average="macro"),
            "val_worst_class_accuracy": MulticlassAccuracy(C, average=None),
            "val_loss": MeanMetric(nan_strategy="disable"),
        }[metric]
        for inputs, target in batches:
            logits = inputs[:, model]
            if metric == "val_loss":
                expected.update(cross_entropy(logits, target, reduction="none"))
            else:
                expected.update(logits, target)
        assert scores[model] == pytest.approx(float(expected.compute().min()), rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("at_once", [1, 3, 100])
@pytest.mark.parametrize("metric", MEASURES[Regressor])
def test_metrics_of_predictions_are_torchmetrics(metric: str, at_once: int) -> None:
    torch.manual_seed(0)
    batches = [(torch.randn(n, P, 2), torch.randn(n, 2)) for n in (7, 5)]
    batches[1][0][2, 1, 0] = float("nan")
    scores = score(Fixed(), batches, metric, RECIPE, at_once, Regressor)  # type: ignore[arg-type]
    for model in range(P):
        expected: Metric = {"val_loss": MeanSquaredError(), "val_mae": MeanAbsoluteError(), "val_r2": R2Score()}[metric]
        for inputs, target in batches:
            expected.update(inputs[:, model].contiguous(), target)
        assert scores[model] == pytest.approx(float(expected.compute()), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(("limit", "expected"), [(1.0, 17), (0.5, 8), (4, 4), (40, 17), (1, 1)])
def test_limits_are_counted_as_lightning_counts(limit: int | float, expected: int) -> None:
    assert limited(17, limit) == expected
