"""Refuse data loaders that serve nothing, and numbers of them of which nobody can say which one counts."""

import re
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden

from glo_lightning.errors import DataError, ModelError, SettingsError

PLACE = re.compile(r"/dataloader_idx_(\d+)$")
"""How Lightning ends the name of a metric on one of several loaders."""


def flat(served: Any) -> list[Any]:
    """Return the loaders in what a data module's hook returned: one, or lists and dicts of them."""
    if served is None:
        return []
    return list((served if isinstance(served, CombinedLoader) else CombinedLoader(served, "sequential")).flattened)


def monitored(loaders: list[Any], monitor: str) -> list[Any]:
    """Return the loader that a metric's name points to, all if it points to none."""
    place = PLACE.search(monitor)
    return loaders if place is None or len(loaders) == 1 else loaders[int(place[1]) :][:1]


def require_batches(trainer: Trainer, model: LightningModule, datamodule: LightningDataModule) -> None:
    """Refuse training and validation without a batch, after a fit that therefore ended at once, or did not validate.

    Raises:
        DataError: if a loader is empty or missing.
        ModelError: if there is no ``validation_step``.
        SettingsError: if the Trainer's limits leave nothing.
    """
    for split in ("train", "val"):
        limit = getattr(trainer, f"limit_{split}_batches")
        if not limit:
            raise SettingsError(
                f"limit_{split}_batches above 0", repr(limit), f"Leave limit_{split}_batches of the Trainer out."
            )
    if not trainer.num_training_batches:
        raise _empty("train_dataloader", datamodule)
    if not is_overridden("validation_step", model, LightningModule):
        raise ModelError(
            "a model that validates, because validation metrics compare losses",
            f"{type(model).__name__} without validation_step",
            'Add one that logs a metric, as in self.log("val_accuracy", accuracy).',
        )
    if not is_overridden("val_dataloader", datamodule, LightningDataModule):
        raise DataError(
            "a data module with a val_dataloader, because validation metrics compare losses",
            f"{type(datamodule).__name__} without",
            "Hold out some of the training data, and serve them by val_dataloader.",
        )
    if not sum(trainer.num_val_batches):
        raise _empty("val_dataloader", datamodule)


def require_test_loaders(
    validation: list[Any], test: list[Any], monitor: str, trainer: Trainer, datamodule: LightningDataModule
) -> None:
    """Refuse to test without a batch, or on loaders of which none is the one that the monitor was validated on.

    Args:
        validation: the loaders of the validation split.
        test: those of the test split.
        monitor: name of the validation metric.
        trainer: for its limits.
        datamodule: which serves the loaders.

    Raises:
        DataError: if a loader is empty or missing, or the numbers do not match.
        SettingsError: if the Trainer's limits leave nothing.
    """
    if not trainer.limit_test_batches:
        raise SettingsError("limit_test_batches above 0", "0", "Leave limit_test_batches of the Trainer out.")
    if not test or any(hasattr(loader, "__len__") and not len(loader) for loader in test):
        raise _empty("test_dataloader", datamodule)
    is_one_of_several = PLACE.search(monitor) is not None
    if len(test) > 1 and len(test) != len(validation) and (is_one_of_several or len(validation) == 1):
        raise DataError(
            f"one loader to test on, or {len(validation)}, as many as to validate",
            f"{len(test)} from {type(datamodule).__name__}.test_dataloader",
            "Serve one loader there.",
        )


def _empty(hook: str, datamodule: LightningDataModule) -> DataError:
    return DataError(
        f"{hook} to serve at least one batch",
        f"none from {type(datamodule).__name__}",
        "Give that split samples, no fewer than batch_size if drop_last leaves incomplete batches out.",
    )
