"""Tasks of a few steps, and losses that differ a little."""

from collections.abc import Callable

import torch
from torch import nn

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import TaylorLoss, cross_entropy_taylor
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task


def task(
    network: Callable[[], nn.Module] = lambda: mlp(hidden=(16,)),
    model: dict[str, object] | None = None,
    data: object = None,
    **trainer: object,
) -> Task:
    datamodule = data or DigitsDataModule(training_fraction=0.2)
    settings = {"accelerator": "cpu", "max_epochs": 2, **trainer}
    return python_task(lambda: Classifier(network(), **(model or {})), datamodule, settings)


def taylor(seed: int, **options: object) -> TaylorLoss:
    noise = torch.randn(8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return TaylorLoss(cross_entropy_taylor().theta + 0.1 * noise, **options)


def taylors(count: int, seed: int | None = 0) -> list[Run]:
    """Runs with different losses, and equal seeds unless ``seed`` is None."""
    return [Run(taylor(k), k if seed is None else seed) for k in range(count)]
