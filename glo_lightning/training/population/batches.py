"""The batches of a stack: the same for models with equal seeds, each model's own otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from glo_lightning.data.tensor_data import Examples
from glo_lightning.training.population.plan import Plan

GATHERED = 32
"""Batches that are copied out of the data in one go."""


@dataclass(frozen=True)
class Batch:
    """What all models of a stack train on in one step.

    Args:
        inputs: shape (N, ...) if shared, else (N, P, ...).
        target: class indices (N,) or distributions (N, C) if shared, else with P in front.
        shared: whether all models have the same batch.
    """

    inputs: Tensor
    target: Tensor
    shared: bool


class Batches:
    """Serves the training data as a Trainer would serve it to each model by itself.

    Args:
        plan: the data, and how much of it to serve.
        seeds: one per model.
    """

    def __init__(self, plan: Plan, seeds: Sequence[int]) -> None:
        self._data = plan.data
        self._precision = plan.recipe.precision
        self._examples = plan.train
        self._seeds = list(seeds)
        self._per_epoch = plan.steps_per_epoch

    def epoch(self, number: int) -> Iterator[Batch]:
        """Serve the batches of an epoch, from 0; models may leave in between."""
        size, device = self._data.batch_size, self._examples[0].device
        orders = {seed: self._data.train_order(number, seed).to(device) for seed in set(self._seeds)}
        for first in range(0, self._per_epoch, GATHERED):
            last = min(first + GATHERED, self._per_epoch)
            rows = slice(first * size, last * size)
            gathered = {seed: self._gather(orders[seed][rows]) for seed in set(self._seeds)}
            for place in range(last - first):
                step = number * self._per_epoch + first + place
                yield self._batch({seed: gathered[seed][place] for seed in dict.fromkeys(self._seeds)}, step)

    def _gather(self, rows: Tensor) -> list[Examples]:
        stored = (torch.split(tensor.index_select(0, rows), self._data.batch_size) for tensor in self._examples)
        return list(zip(*stored, strict=True))

    def _batch(self, stored: dict[int, Examples], step: int) -> Batch:
        served = {seed: self._serve(examples, step, seed) for seed, examples in stored.items()}
        if len(served) == 1:
            (own,) = served.values()
            return Batch(*own, shared=True)
        # CutMix and mixup leave some batches alone.
        if any(target.is_floating_point() for _, target in served.values()):
            served = {seed: self._with_distribution(batch) for seed, batch in served.items()}
        inputs = torch.stack([served[seed][0] for seed in self._seeds], 1)
        return Batch(inputs, torch.stack([served[seed][1] for seed in self._seeds]), shared=False)

    def _serve(self, stored: Examples, step: int, seed: int) -> Examples:
        prepared = self._data.training_batch(stored, step, seed)
        if stored[0].is_floating_point():
            return prepared
        # Stored as bytes, they could not be converted before.
        converted: Examples = self._precision.convert_input(prepared)
        return converted

    def _with_distribution(self, batch: Examples) -> Examples:
        inputs, target = batch
        if target.is_floating_point():
            return batch
        return inputs, one_hot(target, self._data.num_classes).to(inputs.dtype)

    def keep(self, models: Tensor) -> None:
        """Serve only the models with the given numbers from now on."""
        self._seeds = [self._seeds[model] for model in models.tolist()]
