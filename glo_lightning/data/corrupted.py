"""Any data module with its labels corrupted on purpose: noise, a long tail, outliers."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, Sampler, SequentialSampler

from glo_lightning.data.tensor_data import Examples, Splits, TensorDataModule
from glo_lightning.errors import DataError

NoiseKind = Literal["symmetric", "pairs", "instance"]

NOISE_SPREAD = 0.1
"""Standard deviation of the noise rates of instances around their mean. Source: arXiv:2006.07836, algorithm 2."""

GROSS = (5.0, 10.0)
"""How far outliers lie from where they were, in standard deviations of the targets; of several, each in its own."""


@dataclass(frozen=True)
class Corruption:
    """What is done to labels, and to which samples.

    Args:
        label_noise: share of class labels that are replaced by another class, in [0, 1).
        kind: by which: ``"symmetric"``, any other with the same probability; ``"pairs"``, the next one; or
            ``"instance"``, depending on the sample's inputs.
        long_tail: how many times as many training samples the first class has as the last, 1 or more; those between
            decay exponentially.
        outliers: share of real-valued targets that are moved by 5 to 10 standard deviations, in [0, 1).
        seed: of all draws.

    Raises:
        DataError: if a number is out of its range.
    """

    label_noise: float = 0.0
    kind: NoiseKind = "symmetric"
    long_tail: float = 1.0
    outliers: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("label_noise", "outliers"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise DataError(f"{name} in [0, 1)", repr(getattr(self, name)), "It is a share of the samples.")
        if self.kind not in ("symmetric", "pairs", "instance"):
            raise DataError("kind 'symmetric', 'pairs' or 'instance'", repr(self.kind), "Use 'symmetric'.")
        if not 1.0 <= self.long_tail < float("inf"):
            raise DataError("long_tail of 1 or more", repr(self.long_tail), "Use 50 for a long tail, 1 for none.")
        if self.seed < 0:
            raise DataError("a seed of 0 or more", repr(self.seed), "Use 0.")

    def labels(self, inputs: Callable[[], Tensor], target: Tensor, num_classes: int, split: str) -> Tensor:
        """Return class labels with noise.

        Args:
            inputs: returns the samples' inputs (M, ...); asked for noise that depends on them only.
            target: the clean labels, shape (M,), int64.
            num_classes: C, 2 or more.
            split: its name; splits draw apart.

        Returns:
            Labels, shape (M,).
        """
        if not self.label_noise:
            return target
        generator = self._generator(split)
        wrong = torch.rand(len(target), generator=generator) < self.label_noise
        if self.kind == "pairs":
            return torch.where(wrong, (target + 1) % num_classes, target)
        if self.kind == "symmetric":
            others = (target + torch.randint(1, num_classes, target.shape, generator=generator)) % num_classes
            return torch.where(wrong, others, target)
        return self._by_instance(inputs().flatten(1).float(), target, num_classes, generator)

    def targets(self, target: Tensor, split: str) -> Tensor:
        """Return real-valued targets with outliers.

        Args:
            target: the clean targets, shape (M,) or (M, K), floating.
            split: its name; splits draw apart.
        """
        generator = self._generator(split)
        moved = torch.rand(len(target), generator=generator) < self.outliers
        low, high = GROSS
        far = low + (high - low) * torch.rand(target.shape, generator=generator)
        sign = torch.randint(2, target.shape, generator=generator) * 2 - 1
        return target + (target.std(0) * sign * far * moved.view(-1, *[1] * (target.ndim - 1))).to(target.dtype)

    def kept(self, target: Tensor, num_classes: int) -> Tensor:
        """Return the numbers of the training samples that a long tail keeps, in their order, int64."""
        if self.long_tail == 1.0:
            return torch.arange(len(target))
        largest = int(torch.bincount(target, minlength=num_classes).max())
        kept = []
        for label in range(num_classes):
            wanted = max(1, round(largest * self.long_tail ** (-label / (num_classes - 1))))
            kept.append((target == label).nonzero().flatten()[:wanted])
        return torch.cat(kept).sort().values

    def _by_instance(self, inputs: Tensor, target: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
        """Draw wrong labels that the inputs make likely: of each class, by a random linear map of its own."""
        rates = (self.label_noise + NOISE_SPREAD * torch.randn(len(target), generator=generator)).clamp(0.0, 1.0)
        maps = torch.randn(num_classes, inputs.shape[1], num_classes, generator=generator)
        scores = torch.stack([inputs[row] @ maps[label] for row, label in enumerate(target.tolist())])
        likely = scores.scatter(1, target.unsqueeze(1), -torch.inf).softmax(1) * rates.unsqueeze(1)
        likely.scatter_(1, target.unsqueeze(1), (1.0 - rates).unsqueeze(1))
        return torch.multinomial(likely, 1, generator=generator).squeeze(1)

    def _generator(self, split: str) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 3 + ("train", "val", "test").index(split))


class CorruptedDataModule(LightningDataModule):
    """Another data module, the labels of its training data corrupted: to see how losses stand it.

    Validation data get the same noise and outliers unless told otherwise, because somebody whose labels are wrong has
    no clean ones to validate with; a long tail is of the training data alone. Test data are never touched. Draws
    depend on the seed alone: every ``setup`` gives the same labels.

    Args:
        datamodule: the data: one DataLoader per split, over a data set of (inputs, label) with indices.
        label_noise: share of class labels that are replaced, in [0, 1).
        kind: of label noise: ``"symmetric"``, any other class; ``"pairs"``, the next class; ``"instance"``, one that
            the inputs make likely.
        long_tail: how many times as many training samples the first class has as the last, 1 or more; of a data module
            that trains on a fraction, in that fraction.
        outliers: share of real-valued targets that are moved by 5 to 10 standard deviations, in [0, 1).
        seed: of the draws.
        corrupt_validation: whether validation data get noise and outliers, too.

    Attributes:
        clean: the labels as they were, by the names of the splits that were corrupted; for analysis only.

    Raises:
        DataError: if an argument is out of its range or, from ``setup``, if labels are neither class indices nor real.

    Example:
        >>> from glo_lightning.data import DigitsDataModule
        >>> data = CorruptedDataModule(DigitsDataModule(), label_noise=0.5)
        >>> data.setup("fit")
        >>> labels = torch.cat([target for _, target in data.val_dataloader()])
        >>> round(float((labels != data.clean["val"]).float().mean()), 1)
        0.5

    Source: the noise of arXiv:1805.07836 (symmetric, pairs) and arXiv:2006.07836 (instance); the long tail of
        arXiv:1901.05555.
    """

    def __init__(
        self,
        datamodule: LightningDataModule,
        label_noise: float = 0.0,
        kind: NoiseKind = "symmetric",
        long_tail: float = 1.0,
        outliers: float = 0.0,
        seed: int = 0,
        corrupt_validation: bool = True,
    ) -> None:
        self.inner = copy.copy(datamodule)  # first, because the base class sets the trainer
        super().__init__()
        self.corruption = Corruption(label_noise, kind, long_tail, outliers, seed)
        self.corrupt_validation = corrupt_validation
        self.clean: dict[str, Tensor] = {}
        self._datasets: dict[str, Dataset[Any]] = {}
        if isinstance(self.inner, TensorDataModule):
            # The copy reads its tensors anew, and serves them as the original would.
            load, part = self.inner.load, self.inner.training_part
            if long_tail > 1.0:
                # Of a tail's samples the first have none: they are as many of each class.
                load, part = partial(_load_part, load, part), _whole
            vars(self.inner).update(load=partial(self._load, load), training_part=part, _splits=None)

    @property
    def tensor_data(self) -> TensorDataModule | None:
        """The data module with the corrupted tensors; None if the data are not tensors in memory."""
        return self.inner if isinstance(self.inner, TensorDataModule) else None

    @property
    def trainer(self) -> Any:
        """The Trainer in charge, if any."""
        return self.inner.trainer

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        self.inner.trainer = trainer

    def __getattr__(self, name: str) -> Any:
        """Return what else the data module knows of its data, such as mean and std of its pixels."""
        if name.startswith("_") or "inner" not in vars(self):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def prepare_data(self) -> None:
        """Do what the data module does."""
        self.inner.prepare_data()

    def setup(self, stage: str) -> None:
        """Do what the data module does."""
        self.inner.setup(stage)

    def teardown(self, stage: str) -> None:
        """Do what the data module does."""
        self.inner.teardown(stage)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Do what the data module does."""
        return self.inner.on_before_batch_transfer(batch, dataloader_idx)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Do what the data module does."""
        return self.inner.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Do what the data module does."""
        return self.inner.on_after_batch_transfer(batch, dataloader_idx)

    def train_dataloader(self) -> Any:
        """Serve the corrupted training data as the data module serves its own."""
        return self._corrupted(self.inner.train_dataloader(), "train")

    def val_dataloader(self) -> Any:
        """Serve the validation data, corrupted unless told otherwise."""
        loader = self.inner.val_dataloader()
        return self._corrupted(loader, "val") if self.corrupt_validation else loader

    def test_dataloader(self) -> Any:
        """Serve the test data as they are."""
        return self.inner.test_dataloader()

    def _load(self, load: Callable[[], Splits]) -> Splits:
        splits = load()
        train = self._corrupt(splits.train, "train")
        val = self._corrupt(splits.val, "val") if self.corrupt_validation else splits.val
        return Splits(train, val, splits.test)

    def _corrupt(self, examples: Examples, split: str) -> Examples:
        inputs, target = examples
        kept, labels = self._relabel(lambda: inputs, target, split)
        return inputs[kept], labels

    def _corrupted(self, loader: Any, split: str) -> Any:
        if self.tensor_data is not None:
            return loader  # of corrupted tensors already
        if split not in self._datasets:
            self._datasets[split] = self._relabelled(loader, split)
        dataset = self._datasets[split]
        return DataLoader(
            dataset,
            loader.batch_size,
            sampler=_sampler_over(dataset, loader),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            drop_last=loader.drop_last,
            timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            generator=loader.generator,
            prefetch_factor=loader.prefetch_factor,
            persistent_workers=loader.persistent_workers,
            in_order=loader.in_order,
        )

    def _relabelled(self, loader: Any, split: str) -> "Dataset[Any]":
        known = isinstance(loader, DataLoader) and isinstance(loader.sampler, RandomSampler | SequentialSampler)
        if not known or isinstance(loader.dataset, IterableDataset) or loader.batch_size is None:
            raise DataError(
                f"one {split} DataLoader over a data set with indices, shuffled or in order",
                type(getattr(loader, "dataset", loader)).__name__ + (" with a sampler of its own" if not known else ""),
                "Serve the data by such a DataLoader, or corrupt the labels in the data set itself.",
            )
        dataset = loader.dataset
        samples = [dataset[number] for number in range(len(dataset))]  # type: ignore[arg-type]
        target = torch.stack([torch.as_tensor(sample[1]) for sample in samples])
        inputs = partial(torch.stack, [torch.as_tensor(sample[0]) for sample in samples])
        kept, labels = self._relabel(inputs, target, split)
        return _Relabelled(dataset, kept.tolist(), labels)

    def _relabel(self, inputs: Callable[[], Tensor], target: Tensor, split: str) -> tuple[Tensor, Tensor]:
        """Return which samples to keep, and their new labels."""
        corruption = self.corruption
        everybody = torch.arange(len(target))
        if target.is_floating_point():
            if corruption.label_noise or corruption.long_tail > 1.0:
                raise DataError("class indices for label_noise and long_tail", "real targets", "Use outliers for them.")
            self.clean[split] = target
            return everybody, corruption.targets(target, split)
        if target.dtype != torch.int64 or target.ndim != 1 or corruption.outliers:
            raise DataError(
                "one class index int64 per sample, and no outliers; or real targets",
                f"{target.dtype} of shape {tuple(target.shape)} with outliers={corruption.outliers:g}",
                "Corrupt class labels by label_noise and long_tail, real ones by outliers.",
            )
        num_classes = int(getattr(self.inner, "num_classes", int(target.max()) + 1))
        kept = corruption.kept(target, num_classes) if split == "train" else everybody
        self.clean[split] = target[kept]
        return kept, corruption.labels(lambda: inputs()[kept], target[kept], num_classes, split)


def tensors_of(datamodule: LightningDataModule) -> TensorDataModule | None:
    """Return the data module that holds a data module's tensors: itself, or what it corrupts; None if none does."""
    inner = datamodule.tensor_data if isinstance(datamodule, CorruptedDataModule) else datamodule
    return inner if isinstance(inner, TensorDataModule) else None


def _sampler_over(dataset: Any, loader: Any) -> Sampler[int]:
    """Return a sampler that draws from a data set as a loader's does from its own."""
    given = loader.sampler
    if not isinstance(given, RandomSampler):
        return SequentialSampler(dataset)
    # Once through all of its data set means all of this one, which a long tail makes smaller.
    number = None if given.num_samples == len(loader.dataset) else given.num_samples
    return RandomSampler(dataset, given.replacement, number, given.generator)


def _load_part(load: Callable[[], Splits], part: Callable[[Examples], Examples]) -> Splits:
    splits = load()
    return replace(splits, train=part(splits.train))


def _whole(examples: Examples) -> Examples:
    return examples


class _Relabelled(Dataset[Any]):
    """Samples of another data set with labels of their own."""

    def __init__(self, dataset: Dataset[Any], samples: list[int], labels: Tensor) -> None:
        self.dataset, self.samples, self.labels = dataset, samples, labels

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        sample = self.dataset[self.samples[index]]
        label = self.labels[index]
        own = label if isinstance(sample[1], Tensor) else label.item()
        return (sample[0], own, *sample[2:])
