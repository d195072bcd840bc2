"""Measure mean and spread of real-valued training targets, once, for losses that count in units of it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from glo_lightning.data.corrupted import tensors_of
from glo_lightning.errors import DataError
from glo_lightning.training.task import Task, quiet_lightning


class TargetScale(NamedTuple):
    """Mean and standard deviation of the training targets: one number each, or one for each predicted number."""

    mean: float | list[float] = 0.0
    sigma: float | list[float] = 1.0


UNIT = TargetScale()
"""Of targets that count as they are."""


def target_scale(task: Task) -> TargetScale:
    """Return the mean and the standard deviation of the training targets.

    Args:
        task: whose training data are read, once, unless they are tensors in memory.

    Raises:
        DataError: if batches are not inputs and floating targets, a target is not finite, or all are the same.
    """
    data = tensors_of(task.datamodule)
    task.datamodule.prepare_data()
    task.datamodule.setup("fit")
    with quiet_lightning():
        batches = [data.train_tensors] if data is not None else task.datamodule.train_dataloader()
        targets = torch.cat([_targets(batch) for batch in batches])
    bad = int(targets.isfinite().all(1).logical_not().sum())
    if bad:
        raise DataError(
            "finite training targets",
            f"{bad} of {len(targets)} samples whose target is NaN or infinite",
            "Leave out what has no target: keep = target.isfinite().",
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
    return TargetScale(mean, spread) if len(spread) > 1 else TargetScale(mean[0], spread[0])


def _targets(batch: Any) -> Tensor:
    target = batch[1] if isinstance(batch, list | tuple) and len(batch) == 2 else None
    if not isinstance(target, Tensor) or not target.is_floating_point() or target.ndim not in (1, 2):
        raise DataError(
            "batches of inputs and floating targets, (N,), (N, 1) or (N, D), whose spread can be measured",
            f"batches of another kind ({type(batch).__name__})",
            "Serve (inputs, target) with target.float().",
        )
    return target.detach().cpu().double().reshape(len(target), -1)
