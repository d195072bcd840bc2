"""Validate or test a stack of models, by torchmetrics' definitions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from glo_lightning.data.tensor_data import Examples
from glo_lightning.models.classifier import accuracies
from glo_lightning.training.population.networks import NetworkStack
from glo_lightning.training.population.recipe import Recipe, limited

METRICS = ("val_accuracy", "val_balanced_accuracy", "val_worst_class_accuracy", "val_loss")


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
        metric: one of ``METRICS``, as a :class:`Classifier` defines them; ``"val_loss"`` is NaN if it is NaN anywhere.
        recipe: types and autocast.
        at_once: examples that fit into memory at once.

    Returns:
        The metric of each model.
    """
    measure = _cross_entropy if metric == "val_loss" else _right_by_class
    parts = []
    for batch in batches:
        for inputs, target in zip(*(torch.split(tensor, at_once) for tensor in batch), strict=True):
            with recipe.precision.val_step_context():
                parts.append(measure(networks(inputs, shared=True, training=False), target))
    totals, counts = (torch.stack(each).sum(0) for each in zip(*parts, strict=True))
    if metric == "val_loss":
        return list((totals / counts).tolist())
    return list(accuracies(totals, counts)[metric.removeprefix("val_")].tolist())


def _right_by_class(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many of each class every model classified right, (P, C), and how many there are, (C,)."""
    # The first of the largest, as argmax has it, but several times faster on a CPU.
    right = (logits.max(-1).indices == target).float()
    counts = torch.bincount(target, minlength=logits.shape[-1])
    return right.new_zeros(len(right), len(counts)).index_add_(1, target, right), counts


def _cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    losses = cross_entropy(logits.mT, target.expand(len(logits), -1), reduction="none")
    return losses.sum(-1).float(), torch.tensor(len(target), device=target.device)
