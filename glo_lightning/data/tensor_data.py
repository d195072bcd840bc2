"""Data sets small enough to live in memory as tensors, served a whole batch at a time."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from glo_lightning.errors import DataError

Examples = tuple[Tensor, Tensor]

EVALUATION_BATCH_SIZE = 512
"""Examples per batch and device in validation and test, where batches change nothing but speed and memory."""


@dataclass(frozen=True)
class Splits:
    """Three disjoint parts of a data set: each inputs (M, ...) and class indices (M,) int64, or floating targets.

    Args:
        train: what models learn.
        val: what decides which loss is better.
        test: what nobody sees before a comparison.
    """

    train: Examples
    val: Examples
    test: Examples


class TensorDataModule(LightningDataModule, ABC):
    """A data module whose three splits are tensors in memory.

    A subclass says how to ``load`` the splits. They are read once, however many fits reuse the module. The test
    split can be had from ``test_dataloader`` only. The order of the training examples is a function of the seed
    and the epoch alone: a loop over ``train_order(epoch).split(batch_size)`` that passes each batch through
    ``training_batch``, with ``step`` counting batches from 0 over all epochs, sees exactly what a Trainer on one
    device sees.

    Args:
        batch_size: N, examples per batch and device, at least 1.
        seed: of the training order, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        training_fraction: share of the training split to train on, in (0, 1]; smaller parts lie within larger ones.

    Attributes:
        num_classes: C; a subclass sets it, unless its targets are real-valued.
        input_shape: of one example as the network gets it; a subclass sets it.

    Raises:
        DataError: if an argument is outside its range or, from ``setup``, if the loaded splits are unusable.

    Example:
        A data module for tensors of one's own:

        >>> class Noise(TensorDataModule):
        ...     num_classes, input_shape = 2, (3,)
        ...     def load(self):
        ...         return Splits(*((torch.randn(n, 3), torch.arange(n) % 2) for n in (8, 4, 4)))
        >>> data = Noise(batch_size=4)
        >>> [inputs.shape[0] for inputs, targets in data.train_dataloader()]
        [4, 4]
    """

    num_classes: int
    input_shape: tuple[int, ...]

    def __init__(self, batch_size: int = 64, seed: int | None = None, training_fraction: float = 1.0) -> None:
        super().__init__()
        if batch_size < 1:
            raise DataError("batch_size of 1 or more", repr(batch_size), "Use 64.")
        if seed is not None and seed < 0:
            raise DataError("a seed of 0 or more, or None", repr(seed), "Use 0.")
        if not 0.0 < training_fraction <= 1.0:
            raise DataError("training_fraction in (0, 1]", repr(training_fraction), "Use 1.0 for all examples.")
        self.batch_size = batch_size
        self.seed = seed
        self.training_fraction = training_fraction
        self._splits: Splits | None = None

    @abstractmethod
    def load(self) -> Splits:
        """Read the data set and split it, the training examples in random order; called once."""

    def training_part(self, examples: Examples) -> Examples:
        """Return the share of the training split to train on, its first examples."""
        part = max(1, round(self.training_fraction * len(examples[1])))
        return examples[0][:part], examples[1][:part]

    def setup(self, stage: str | None = None) -> None:
        """Load the splits unless they are there."""
        self._loaded()

    @property
    def train_tensors(self) -> Examples:
        """The training inputs as stored, (M, ...), and their class indices (M,)."""
        return self._loaded().train

    @property
    def val_tensors(self) -> Examples:
        """The validation inputs as stored, (M, ...), and their class indices (M,)."""
        return self._loaded().val

    @property
    def order_seed(self) -> int:
        """The seed in force: this module's own, or else that of Lightning's ``seed_everything``."""
        # Lightning itself looks there for the seed of a distributed sampler.
        return int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed

    def train_order(self, epoch: int, seed: int | None = None) -> Tensor:
        """Return the order (M,) in which one device trains on the examples in an epoch, by default under its seed."""
        sampler = _shuffler(_TensorDataset(self.train_tensors), 1, 0, self.order_seed if seed is None else seed)
        sampler.set_epoch(epoch)
        return torch.tensor(list(sampler))

    def training_batch(self, batch: Examples, step: int, seed: int | None = None) -> Examples:
        """Turn stored examples into what the network trains on; subclasses that augment do it here."""
        return self.evaluation_batch(batch)

    def evaluation_batch(self, batch: Examples) -> Examples:
        """Turn stored examples into what the network is evaluated on; subclasses that store pixels normalise here."""
        return batch

    def transfer_batch_to_device(self, batch: Examples, device: torch.device, dataloader_idx: int) -> Examples:
        """Leave the batch where it is: it was cut from tensors on the device."""
        return batch

    def on_after_batch_transfer(self, batch: Examples, dataloader_idx: int) -> Examples:
        """Prepare training batches; the other loaders serve theirs ready."""
        if self.trainer is None or not self.trainer.training:
            return batch
        return self.training_batch(batch, step=self.trainer.fit_loop.total_batch_idx + 1)

    def train_dataloader(self) -> DataLoader[Any]:
        """Serve the stored training examples, shuffled anew each epoch, a different part to each process."""
        dataset = self._on_device(self.train_tensors)
        world_size, rank = self._world()
        sampler = _shuffler(dataset, world_size, rank, self.order_seed)
        return DataLoader(dataset, self.batch_size, sampler=sampler, collate_fn=_keep)

    def val_dataloader(self) -> DataLoader[Any]:
        """Serve the validation examples in stored order, as the network gets them."""
        return self._evaluation_loader(self.val_tensors)

    def test_dataloader(self) -> DataLoader[Any]:
        """Serve the test examples in stored order, as the network gets them."""
        return self._evaluation_loader(self._loaded().test)

    def _evaluation_loader(self, examples: Examples) -> DataLoader[Any]:
        dataset = self._on_device(examples)
        world_size, rank = self._world()
        if len(dataset) % world_size:
            # Shares of equal size would repeat examples and bias the metric: each process takes them all.
            world_size, rank = 1, 0
        sampler: DistributedSampler[Any] = DistributedSampler(dataset, world_size, rank, shuffle=False)
        # What the loader collates is a batch already: see _TensorDataset.
        prepare: Any = self.evaluation_batch
        return DataLoader(dataset, EVALUATION_BATCH_SIZE, sampler=sampler, collate_fn=prepare)

    def _on_device(self, examples: Examples) -> "_TensorDataset":
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        return _TensorDataset((examples[0].to(device), examples[1].to(device)))

    def _world(self) -> tuple[int, int]:
        return (1, 0) if self.trainer is None else (self.trainer.world_size, self.trainer.global_rank)

    def _check(self, examples: Examples, name: str) -> None:
        _check_lengths(examples, name)
        if hasattr(self, "num_classes"):
            _check_labels(examples[1], name, self.num_classes)
        else:
            _check_targets(examples[1], name)

    def _loaded(self) -> Splits:
        if self._splits is None:
            splits = self.load()
            for name in ("train", "val", "test"):
                self._check(getattr(splits, name), name)
            self._splits = replace(splits, train=self.training_part(splits.train))
        return self._splits


class _TensorDataset(TensorDataset):
    """Fetches a batch by one indexing operation: the loader calls ``__getitems__`` with all its indices."""

    def __init__(self, examples: Examples) -> None:
        super().__init__(*examples)
        self.inputs, self.targets = examples

    def __getitems__(self, indices: list[int]) -> Examples:
        chosen = torch.tensor(indices, device=self.inputs.device)
        return self.inputs.index_select(0, chosen), self.targets.index_select(0, chosen)


def _keep(batch: Any) -> Any:
    return batch


def _shuffler(dataset: _TensorDataset, world_size: int, rank: int, seed: int) -> "DistributedSampler[Any]":
    # The sampler adds the epoch to its seed; far apart, seed 1 does not replay the second epoch of seed 0.
    return DistributedSampler(dataset, world_size, rank, shuffle=True, seed=seed * 10_007)


def _check_lengths(examples: Examples, name: str) -> None:
    inputs, targets = examples
    if len(inputs) != len(targets) or len(targets) == 0:
        raise DataError(
            f"a {name} split with one label for each of at least one example",
            f"{len(inputs)} inputs and {len(targets)} labels",
            "Check what load() returns and the fractions of the split.",
        )


def _check_targets(targets: Tensor, name: str) -> None:
    if not targets.is_floating_point():
        raise DataError(
            f"floating {name} targets, for there is no num_classes",
            f"{targets.dtype} of shape {tuple(targets.shape)}",
            "Set num_classes for class indices, or convert numbers to predict with .float().",
        )
    if targets.ndim > 2 or not bool(targets.isfinite().all()):
        raise DataError(
            f"finite {name} targets of shape (M,) or (M, D)",
            f"{targets.dtype} of shape {tuple(targets.shape)}, {int((~targets.isfinite()).sum())} not finite",
            "Leave out examples without a target, and flatten what belongs to one.",
        )


def _check_labels(targets: Tensor, name: str, num_classes: int) -> None:
    if targets.dtype != torch.int64 or targets.ndim != 1:
        raise DataError(
            f"{name} labels of shape (M,) and dtype int64",
            f"{targets.dtype} of shape {tuple(targets.shape)}",
            "Convert class indices with .long().",
        )
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= num_classes:
        raise DataError(
            f"{name} labels in 0..{num_classes - 1}",
            f"labels from {low} to {high}",
            "Map the labels to 0..C-1, or set num_classes.",
        )
