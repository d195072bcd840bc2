"""Read off a Trainer what a population must do, and refuse what only the Trainer can do."""

from dataclasses import dataclass
from typing import NoReturn

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelSummary, ProgressBar
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision, MixedPrecision, Precision

from glo_lightning.errors import SettingsError
from glo_lightning.training.population.clipping import Clipping, make_clipping
from glo_lightning.training.task import callbacks_of

ONLY_THE_TRAINER = {
    "accumulate_grad_batches": 1,
    "fast_dev_run": False,
    "max_steps": -1,
    "min_epochs": None,
    "min_steps": None,
    "overfit_batches": 0.0,
    "reload_dataloaders_every_n_epochs": 0,
    "val_check_interval": 1.0,
    "world_size": 1,
}
"""Attributes of a Trainer that a population cannot follow unless they have these values."""


@dataclass(frozen=True)
class Recipe:
    """How to train: what a Trainer was told, as far as it changes a score.

    Args:
        epochs: of a training.
        validation_interval: epochs from one validation to the next.
        limit_train_batches: batches per epoch: at most so many, or that share of them if it is a float.
        limit_val_batches: the same for a validation.
        limit_test_batches: the same for the test.
        clip_gradients: clips gradients of shape (P, ...), each model's by themselves; None for no clipping.
        precision: Lightning's own rule for types and autocast.
        device: where to train.
    """

    epochs: int
    validation_interval: int
    limit_train_batches: int | float
    limit_val_batches: int | float
    limit_test_batches: int | float
    clip_gradients: Clipping | None
    precision: Precision
    device: torch.device


def read_recipe(trainer: Trainer) -> Recipe:
    """Read a Trainer.

    Args:
        trainer: as it would be used for one training, without callbacks of ours.

    Returns:
        What it would do.

    Raises:
        SettingsError: if it would do something that a population cannot; ``got`` says what.
    """
    for name, value in ONLY_THE_TRAINER.items():
        if getattr(trainer, name) != value:
            refuse(f"the Trainer has {name}={getattr(trainer, name)!r}")
    for extra in (*callbacks_of(trainer), *trainer.loggers):
        if not isinstance(extra, ProgressBar | ModelSummary):
            refuse(f"the Trainer has {type(extra).__name__}")
    if not trainer.max_epochs or trainer.max_epochs < 0:
        refuse(f"the Trainer has max_epochs={trainer.max_epochs}")
    interval = trainer.check_val_every_n_epoch
    if interval is None or trainer.max_epochs % interval:
        refuse(f"the Trainer does not validate after the last epoch, with check_val_every_n_epoch={interval}")
    precision = trainer.precision_plugin
    if type(precision) not in (Precision, DoublePrecision, HalfPrecision, MixedPrecision):
        refuse(f"the Trainer has a precision of its own, {type(precision).__name__}")
    if getattr(precision, "scaler", None) is not None:
        refuse("16-mixed skips a step for all models when one of them overflows; bf16-mixed does not")
    return Recipe(
        trainer.max_epochs,
        interval,
        trainer.limit_train_batches,
        trainer.limit_val_batches,
        trainer.limit_test_batches,
        make_clipping(trainer.gradient_clip_val, trainer.gradient_clip_algorithm),
        precision,
        trainer.strategy.root_device,
    )


def refuse(reason: str) -> NoReturn:
    """Say why a task cannot be trained as a population.

    Raises:
        SettingsError: always.
    """
    raise SettingsError(
        "a task whose candidates can be trained together",
        reason,
        "Leave evaluator at 'auto', or set it to 'trainer': it can do everything that a Trainer can.",
    )


def limited(num_batches: int, limit: int | float) -> int:
    """Return how many of the batches a limit leaves, as Lightning counts them: at least one.

    Example:
        >>> limited(17, 1.0), limited(17, 0.5), limited(17, 4)
        (17, 8, 4)
    """
    number = min(num_batches, limit) if isinstance(limit, int) else int(num_batches * limit)
    if number < 1:
        refuse(f"the Trainer's limit of {limit} leaves none of {num_batches} batches")
    return number
