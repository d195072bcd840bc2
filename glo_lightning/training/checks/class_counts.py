"""Count the training labels of each class."""

from typing import Any

import torch
from torch import Tensor

from glo_lightning.data.corrupted import tensors_of
from glo_lightning.errors import DataError
from glo_lightning.training.task import Task, quiet_lightning


def count_classes(task: Task, num_classes: int) -> tuple[int, ...]:
    """Return how many training samples, or positions, each class has.

    Args:
        task: whose training data are counted; they are read once, unless they are tensors in memory.
        num_classes: C.

    Raises:
        DataError: if batches are not inputs and class indices, or a class has no samples.
    """
    data = tensors_of(task.datamodule)
    task.datamodule.prepare_data()
    task.datamodule.setup("fit")
    with quiet_lightning():
        batches = [data.train_tensors] if data is not None else task.datamodule.train_dataloader()
        counts = sum(_counts(batch, num_classes) for batch in batches)
    missing = [label for label, count in enumerate(torch.as_tensor(counts).tolist()) if not count]
    if missing:
        raise DataError(
            "training samples of every class, for losses that know how frequent classes are",
            f"none of {missing[:5]}",
            "Leave class_aware out, or give the network as many outputs as there are classes.",
        )
    return tuple(torch.as_tensor(counts).tolist())


def _counts(batch: Any, num_classes: int) -> Tensor:
    target = batch[1] if isinstance(batch, list | tuple) and len(batch) == 2 else None
    if not isinstance(target, Tensor) or target.dtype != torch.int64:
        raise DataError(
            "batches of inputs and class indices int64, which can be counted",
            f"batches of another kind ({type(batch).__name__})",
            "Serve (inputs, target), or leave class_aware out.",
        )
    labelled = target[(target >= 0) & (target < num_classes)]
    return torch.bincount(labelled, minlength=num_classes)
