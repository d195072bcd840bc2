"""Logs what training minimises."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from glo_lightning.callbacks.outputs import step_loss


class TrainingLossLog(Callback):
    """Logs the mean training loss of each epoch as ``train_loss``.

    Losses of different kinds do not compare by it; validation metrics do.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect the loss of a batch."""
        loss = step_loss(outputs)
        if loss is not None:
            pl_module.log("train_loss", loss.detach(), on_step=False, on_epoch=True)
