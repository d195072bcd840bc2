"""Tell data from others by a few of their samples, in words that are the same in every process and on every machine."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, Subset, TensorDataset

from glo_lightning.training.checks.samples import Places, UnknownError, chosen, private_copy, strided
from glo_lightning.training.generators import generators_seeded

SAMPLES, NUMBERS = 16, 4
"""How many samples of a loader are read, and how many numbers of each target or input; spread evenly."""

STEPS = 37
"""Steps from zero to the largest of real numbers, to which they are rounded: processors do not all compute them to the
same last bit. A prime, so that round numbers lie off the middle between two steps."""

MAX_SECONDS = 1.0
"""Processor time to read samples; data that take longer are not told from others."""

TARGETS = ("label", "labels", "target", "targets")
"""What the target of a sample is called in one that has names."""


def digest_of(loaders: Sequence[Any], seed: int) -> str:
    """Return a digest of the targets of some samples of a split and, where tensors in memory are served, of inputs.

    Inputs of other data sets go through transforms, and pixels through decoders, which may differ by machine.

    Args:
        loaders: of the split.
        seed: of the generators that the data hold; whoever finds another digest with another seed has random data.

    Returns:
        The digest; nothing if the data are no DataLoaders over data sets with indices and plain targets.
    """
    digest = hashlib.sha256()
    try:
        for loader in loaders:
            with generators_seeded(loader, seed):
                for numbers in _numbers(loader):
                    digest.update(repr(numbers).encode())
    except Exception:  # of any data set that is not as usual; whether it can be trained on, others say
        return ""
    return digest.hexdigest()[:16]


def _numbers(loader: Any) -> list[list[int]]:
    if isinstance(loader.dataset, IterableDataset):
        raise UnknownError("no indices")
    dataset, places = private_copy(loader.dataset), _places(loader)
    started, samples = time.process_time(), []
    for place in places[strided(len(places), SAMPLES)].tolist():
        samples.append(dataset[place])
        if time.process_time() - started > MAX_SECONDS:
            raise UnknownError("slow")
    columns = [[_target(sample) for sample in samples]]
    if _is_in_memory(dataset) and samples[0][0].dtype != torch.uint8:
        columns.append([sample[0] for sample in samples])
    return [_rounded([_few(value) for value in column]) for column in columns]


def _places(loader: Any) -> Places:
    try:
        return np.sort(chosen(loader))
    except UnknownError:  # a sampler of its own kind: all may be chosen
        return np.arange(len(loader.dataset), dtype=np.int64)


def _target(sample: Any) -> Any:
    if isinstance(sample, Mapping):
        return next(sample[name] for name in TARGETS if name in sample)
    if isinstance(sample, tuple | list) and len(sample) > 1:
        return sample[1]
    raise UnknownError("no target")


def _is_in_memory(dataset: Any) -> bool:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return type(dataset).__getitem__ is TensorDataset.__getitem__


def _few(value: Any) -> Tensor:
    flat = torch.as_tensor(value).detach().cpu().reshape(-1)
    return flat[strided(len(flat), NUMBERS)]


def _rounded(values: Sequence[Tensor]) -> list[int]:
    """Return numbers that are the same wherever they were computed: integers as they are, others rounded."""
    if not values[0].is_floating_point():
        return [number for value in values for number in value.long().tolist()]
    table = torch.stack([*values]).double().nan_to_num()
    largest = table.abs().amax(0)
    # What is far below all else may be zero but for rounding, as a constant that was standardised is.
    scale = largest.clamp(min=float(largest.max()) / 1000 or 1.0)
    steps = torch.cat([scale.log2() * STEPS, (table / scale * STEPS).flatten()])
    return [int(step) for step in steps.round()]
