"""The batches of a stack: the same for models with equal seeds, each model's own otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glo_lightning.training.population.plan import Plan
from glo_lightning.training.population.recipe import limited


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

    Attributes:
        per_epoch: number of batches.
    """

    def __init__(self, plan: Plan, seeds: Sequence[int]) -> None:
        self._data = plan.data
        self._inputs, self._target = plan.train
        self._seeds = list(seeds)
        self.per_epoch = limited(-(-len(self._target) // self._data.batch_size), plan.recipe.limit_train_batches)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Serve the batches of an epoch, from 0; models may leave in between."""
        orders = {
            seed: torch.split(self._data.train_order(number, seed).to(self._target.device), self._data.batch_size)
            for seed in set(self._seeds)
        }
        for place in range(self.per_epoch):
            step = number * self.per_epoch + place
            yield self._batch({seed: orders[seed][place] for seed in dict.fromkeys(self._seeds)}, step)

    def _batch(self, chosen: dict[int, Tensor], step: int) -> Batch:
        served = {
            seed: self._data.training_batch(
                (self._inputs.index_select(0, rows), self._target.index_select(0, rows)), step, seed
            )
            for seed, rows in chosen.items()
        }
        if len(served) == 1:
            (own,) = served.values()
            return Batch(*own, shared=True)
        inputs = torch.stack([served[seed][0] for seed in self._seeds], 1)
        return Batch(inputs, torch.stack([served[seed][1] for seed in self._seeds]), shared=False)

    def keep(self, models: Tensor) -> None:
        """Serve only the models with the given numbers from now on."""
        self._seeds = [self._seeds[model] for model in models.tolist()]
