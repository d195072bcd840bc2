"""Measure mean and spread of real-valued training targets, once, for losses that count in units of it."""

from collections.abc import Sized
from typing import NamedTuple

import torch
from torch import Tensor

from glo_lightning.data.corrupted import tensors_of
from glo_lightning.errors import DataError
from glo_lightning.training.task import Task, quiet_lightning

ROUNDED = 0.01
"""Relative difference of targets that are the same: half precision has no more digits."""


class TargetScale(NamedTuple):
    """Mean and standard deviation of the training targets: one number each, or one for each predicted number.

    Args:
        mean: of the targets.
        sigma: their standard deviation, above 0.
        caveat: in one line, if not all of them could be measured.
    """

    mean: float | list[float] = 0.0
    sigma: float | list[float] = 1.0
    caveat: str = ""


UNIT = TargetScale()
"""Of targets that count as they are."""


def target_scale(task: Task, seen: Tensor | None = None) -> TargetScale:
    """Return the mean and the standard deviation of the training targets.

    Where a model's loss sees others than the data module serves, because the model transforms them, or where batches
    are not inputs and targets, those of one batch that the loss has seen stand for all.

    Args:
        task: whose training data are read, once, unless they are tensors in memory.
        seen: targets of a batch as the loss sees them, shape (N,) or (N, D); None if that is not known.

    Raises:
        DataError: if there are no floating targets, one is not finite, or all are the same.
    """
    targets, caveat = _served(task), ""
    if seen is not None and (targets is None or not _are_among(_rows(seen), targets)):
        targets = _rows(seen)
        caveat = (
            f"The spread of the targets is that of one batch of {len(targets)}: "
            "the loss sees others than (inputs, target) of the training data."
        )
    if targets is None:
        raise DataError(
            "batches of inputs and floating targets, (N,), (N, 1) or (N, D), whose spread can be measured",
            "batches of another kind",
            "Serve (inputs, target) with target.float(), or store a loss with a sigma of its own by save_loss.",
        )
    bad = int(targets.isfinite().all(1).logical_not().sum())
    if bad:
        raise DataError(
            "finite training targets",
            f"{bad} of {len(targets)} samples whose target is NaN or infinite",
            "Leave samples without a target out of the data set.",
        )
    spread = targets.std(0, correction=0).tolist()
    flat = [place for place, each in enumerate(spread) if not each > 0.0]
    if flat:
        where = f" in columns {flat[:5]}" if len(spread) > 1 else ""
        raise DataError(
            "training targets that differ",
            f"{len(targets)} that are all {float(targets[0, flat[0]]):g}{where}",
            "Check what the data module serves: where all targets are the same, there is nothing to predict.",
        )
    mean = targets.mean(0).tolist()
    return TargetScale(mean, spread, caveat) if len(spread) > 1 else TargetScale(mean[0], spread[0], caveat)


def _served(task: Task) -> Tensor | None:
    """Return the targets of the training data, shape (M, D); None if batches are not inputs and floating targets."""
    data = tensors_of(task.datamodule)
    task.datamodule.prepare_data()
    task.datamodule.setup("fit")
    with quiet_lightning():
        loader = [data.train_tensors] if data is not None else task.datamodule.train_dataloader()
        if not isinstance(loader, Sized) or not _has_length(loader):
            return None
        targets = []
        for batch in loader:  # type: ignore[attr-defined]
            target = batch[1] if isinstance(batch, list | tuple) and len(batch) == 2 else None
            if not isinstance(target, Tensor) or not target.is_floating_point() or target.ndim not in (1, 2):
                return None
            targets.append(_rows(target))
    return torch.cat(targets) if targets else None


def _has_length(loader: Sized) -> bool:
    """Whether a loader ends: one over a stream does not say when."""
    try:
        return len(loader) > 0
    except TypeError:
        return False


def _rows(target: Tensor) -> Tensor:
    return target.detach().cpu().double().reshape(len(target), -1)


def _are_among(seen: Tensor, known: Tensor) -> bool:
    """Whether every number of a batch is one of those in the same column of all targets."""
    if seen.shape[1] != known.shape[1]:
        return False
    for own, column in zip(seen.T, known.T, strict=True):
        ordered = column.sort().values
        after = torch.searchsorted(ordered, own.contiguous()).clamp(max=len(ordered) - 1)
        gaps = torch.minimum((ordered[after] - own).abs(), (ordered[(after - 1).clamp(min=0)] - own).abs())
        if not bool((gaps <= ROUNDED * own.abs()).all()):
            return False
    return True
