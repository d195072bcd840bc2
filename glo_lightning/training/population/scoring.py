"""Validate or test a stack of models, by torchmetrics' definitions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from glo_lightning.data.tensor_data import Examples
from glo_lightning.models.classifier import Classifier, accuracies
from glo_lightning.models.network_module import NetworkModule
from glo_lightning.models.regressor import Regressor
from glo_lightning.training.population.networks import NetworkStack
from glo_lightning.training.population.recipe import Recipe, limited

Measure = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Finish = Callable[[Tensor, Tensor], Tensor]


def evaluation_batches(loader: DataLoader[Any], limit: int | float, recipe: Recipe) -> list[Examples]:
    """Return the batches of a loader, in the Trainer's precision, on its device."""
    batches = []
    for _, batch in zip(range(limited(len(loader), limit)), loader, strict=False):
        inputs, target = recipe.precision.convert_input(batch)
        batches.append((inputs.to(recipe.device), target.to(recipe.device)))
    return batches


@torch.no_grad()
def score(
    networks: NetworkStack,
    batches: Sequence[Examples],
    metric: str,
    recipe: Recipe,
    at_once: int,
    kind: type[NetworkModule] = Classifier,
) -> list[float]:
    """Measure every model on the same examples.

    Args:
        networks: P of them.
        batches: inputs (N, ...) and class indices (N,), or targets (N, D).
        metric: one of those in ``MEASURES``, as the kind of model defines them; a loss or an error is NaN if it is NaN
            anywhere.
        recipe: types and autocast.
        at_once: examples that fit into memory at once.
        kind: of the models.

    Returns:
        The metric of each model.
    """
    measure, finish = MEASURES[kind][metric]
    parts = []
    for batch in batches:
        for inputs, target in zip(*(torch.split(tensor, at_once) for tensor in batch), strict=True):
            with recipe.precision.val_step_context():
                parts.append(measure(networks(inputs, shared=True, training=False), target))
    totals, counts = (torch.stack(each).sum(0) for each in zip(*parts, strict=True))
    return list(finish(totals, counts).tolist())


def _right_by_class(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many of each class every model classified right, (P, C), and how many there are, (C,)."""
    # The first of the largest, as argmax has it, but several times faster on a CPU.
    right = (logits.max(-1).indices == target).float()
    counts = torch.bincount(target, minlength=logits.shape[-1])
    return right.new_zeros(len(right), len(counts)).index_add_(1, target, right), counts


def _cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    losses = cross_entropy(logits.mT, target.expand(len(logits), -1), reduction="none")
    return losses.sum(-1).float(), torch.tensor(len(target), device=target.device)


def _mean(totals: Tensor, counts: Tensor) -> Tensor:
    return totals / counts


def _one_of_accuracies(name: str) -> Finish:
    return lambda totals, counts: accuracies(totals, counts)[name]


def _squared(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return _errors((predictions - target) ** 2, target)


def _absolute(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return _errors((predictions - target).abs(), target)


def _errors(errors: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return errors.flatten(1).sum(-1).float(), torch.tensor(target.numel(), device=target.device)


def _squared_by_output(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return every model's sum of squares, (P, D), and how many targets there are, their sums and squares, (3, D)."""
    residual = ((predictions - target) ** 2).sum(1)
    return residual, torch.stack([torch.full_like(target[0], len(target)), target.sum(0), (target**2).sum(0)])


def _r2(totals: Tensor, counts: Tensor) -> Tensor:
    """Return the share of the targets' spread that is predicted, the mean over the outputs."""
    number, first, second = counts
    explained: Tensor = 1.0 - totals / (second - first * (first / number))
    return explained.mean(-1)


MEASURES: dict[type[NetworkModule], dict[str, tuple[Measure, Finish]]] = {
    Classifier: {
        "val_accuracy": (_right_by_class, _one_of_accuracies("accuracy")),
        "val_balanced_accuracy": (_right_by_class, _one_of_accuracies("balanced_accuracy")),
        "val_worst_class_accuracy": (_right_by_class, _one_of_accuracies("worst_class_accuracy")),
        "val_loss": (_cross_entropy, _mean),
    },
    Regressor: {"val_loss": (_squared, _mean), "val_mae": (_absolute, _mean), "val_r2": (_squared_by_output, _r2)},
}
"""By kind of model and metric: what is summed over batches, of every model and of all together, and what it makes."""
