"""Checkpoints of a training for as long as its loss is a number."""

from pathlib import Path
from typing import Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from glo_lightning.callbacks.divergence import StopOnDivergence


class SoundCheckpoint(ModelCheckpoint):
    """Keeps the last good state: a training that diverged still ends its epoch, with weights that are worth nothing.

    Args:
        divergence: of the same Trainer, and before this callback among its callbacks.
        folder: where the checkpoint goes.
        name: of its file, without suffix; there is one file, of the last save.
        monitor: the metric whose best epoch is kept; None for the last epoch.
        mode: whether that metric is better at its max or min.
        at_epoch_end: save when a training epoch has ended; otherwise where Lightning does, behind a validation for one.
    """

    def __init__(
        self,
        divergence: StopOnDivergence,
        folder: Path,
        name: str,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "min",
        at_epoch_end: bool = False,
    ) -> None:
        super().__init__(
            folder,
            name,
            monitor=monitor,
            mode=mode,
            save_on_train_epoch_end=at_epoch_end or None,
            enable_version_counter=False,
        )
        self._divergence = divergence

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the training diverged."""
        if not self._divergence.reason:
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the training diverged."""
        if not self._divergence.reason:
            super().on_validation_end(trainer, pl_module)
