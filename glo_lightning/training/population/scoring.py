"""Validate or test a stack of models, by torchmetrics' definitions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from glo_lightning.data.tensor_data import Examples
from glo_lightning.training.population.networks import NetworkStack
from glo_lightning.training.population.recipe import Recipe, limited

METRICS = ("val_accuracy", "val_loss")


def evaluation_batches(loader: DataLoader[Any], limit: int | float, recipe: Recipe) -> list[Examples]:
    """Return the batches of a loader, in the Trainer's precision, on its device."""
    batches = []
    for _, batch in zip(range(limited(len(loader), limit)), loader, strict=False):
        inputs, target = recipe.precision.convert_input(batch)
        batches.append((inputs.to(recipe.device), target.to(recipe.device)))
    return batches


@torch.no_grad()
def score(
    networks: NetworkStack, batches: Sequence[Examples], metric: str, recipe: Recipe, at_once: int
) -> list[float]:
    """Measure every model on the same examples.

    Args:
        networks: P of them.
        batches: inputs (N, ...) and class indices (N,).
        metric: ``"val_accuracy"`` (micro) or ``"val_loss"`` (mean cross-entropy, NaN if it is NaN anywhere).
        recipe: types and autocast.
        at_once: examples that fit into memory at once.

    Returns:
        The metric of each model.
    """
    measure = _correct if metric == "val_accuracy" else _cross_entropy
    parts = []
    for batch in batches:
        for inputs, target in zip(*(torch.split(tensor, at_once) for tensor in batch), strict=True):
            with recipe.precision.val_step_context():
                parts.append(measure(networks(inputs, shared=True, training=False), target))
    totals, counts = zip(*parts, strict=True)
    metrics: list[float] = (sum(totals) / sum(counts)).tolist()
    return metrics


def _correct(logits: Tensor, target: Tensor) -> tuple[Tensor, int]:
    # The first of the largest, as argmax has it, but several times faster on a CPU.
    return (logits.max(-1).indices == target).sum(-1).float(), len(target)


def _cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, int]:
    losses = cross_entropy(logits.mT, target.expand(len(logits), -1), reduction="none")
    return losses.sum(-1).float(), len(target)
