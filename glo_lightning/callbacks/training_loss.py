"""Logs what training minimises."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class TrainingLossLog(Callback):
    """Logs the mean training loss of each epoch as ``train_loss``.

    Losses of different kinds do not compare by it; validation metrics do.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect the loss of a batch."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor):
            pl_module.log("train_loss", loss.detach(), on_step=False, on_epoch=True)
