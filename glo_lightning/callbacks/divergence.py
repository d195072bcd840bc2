"""Stop a training at the step where its loss stops being a number."""

import math
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.callbacks.outputs import step_loss


class StopOnDivergence(LeanCallback):
    """Stops the Trainer when the training loss becomes NaN or infinite.

    All ranks stop together. Reading the loss costs a device synchronisation, so accelerators are asked only every
    ``interval`` steps; on a CPU the read is free and every step is checked. Steps without a loss, as of skipped batches
    and manual optimization, pass.

    Args:
        interval: steps between checks on an accelerator, 1 or more.

    Attributes:
        reason: why the training was stopped, or empty.
    """

    def __init__(self, interval: int = 16) -> None:
        super().__init__()
        self.interval = interval
        self.reason = ""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss of the step that just ended."""
        if self.reason:
            return
        loss = step_loss(outputs)
        single_cpu = pl_module.device.type == "cpu" and trainer.world_size == 1
        if not single_cpu and trainer.global_step % self.interval and not trainer.is_last_batch:
            return
        finite = loss is None or all(map(math.isfinite, loss.flatten().tolist()))  # one read of the device
        if not single_cpu:
            finite = trainer.strategy.reduce_boolean_decision(finite, all=True)
        if not finite:
            self.reason = f"training loss was not finite at step {trainer.global_step}"
            trainer.should_stop = True
