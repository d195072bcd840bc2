"""Logs what training minimises."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.callbacks.outputs import step_loss


class TrainingLossLog(LeanCallback):
    """Logs the mean training loss of each epoch as ``train_loss``, the same however gradients accumulate.

    Losses of different kinds do not compare by it; validation metrics do.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Collect the loss of a batch."""
        loss = step_loss(outputs)
        if loss is not None:
            # Lightning has divided it by the batches whose gradients it accumulates; by hand, that number is 1.
            whole = loss.detach() * trainer.accumulate_grad_batches
            pl_module.log("train_loss", whole, on_step=False, on_epoch=True)
