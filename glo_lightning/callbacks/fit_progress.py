"""How far a fit is, counted in batches."""

import itertools
import math

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler

from glo_lightning.errors import ModelError


class FitProgress:
    """Training progress t: at batch k of n, from 0, it is k / n, whatever optimizers make of the batches.

    With manual optimization and ``max_steps`` nobody knows n, and the share of the steps stands for it.

    Args:
        trainer: before anything trains. Epochs that callbacks add later, as for statistics of batch normalisation, are
            no part of the training.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._max_epochs = trainer.max_epochs if trainer.max_epochs is not None else -1
        self._batches = 0.0

    def begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the batches of the fit, now that callbacks have tuned their size.

        Raises:
            ModelError: if the fit has no end.
        """
        self._batches = self._count(trainer, pl_module)
        if math.isinf(self._batches) and trainer.max_steps == -1:
            raise ModelError(
                "a fit of known length, because the loss changes with training progress",
                f"max_epochs={trainer.max_epochs} of {trainer.num_training_batches} batches, max_steps=-1",
                "Set max_steps of the Trainer, or max_epochs, with limit_train_batches if the data have no length.",
            )

    def at(self, trainer: Trainer, pl_module: LightningModule) -> float:
        """Return the progress before the current batch."""
        done = trainer.fit_loop.total_batch_idx / self._batches
        if not pl_module.automatic_optimization and trainer.max_steps != -1:
            done = max(done, trainer.global_step / trainer.max_steps)
        return min(1.0, done)

    def _count(self, trainer: Trainer, pl_module: LightningModule) -> float:
        per_epoch = trainer.num_training_batches
        if trainer.max_steps == -1 or not pl_module.automatic_optimization:
            return per_epoch * self._max_epochs if self._max_epochs >= 0 else math.inf
        batches, steps = 0.0, trainer.max_steps
        for epoch in itertools.count() if self._max_epochs < 0 else range(self._max_epochs):
            accumulated = _accumulated(trainer, epoch)
            if steps * accumulated <= per_epoch:
                return batches + steps * accumulated
            steps -= math.ceil(per_epoch / accumulated)
            batches += per_epoch
            if steps == 0:
                break
        return batches


def _accumulated(trainer: Trainer, epoch: int) -> int:
    """Return the batches whose gradients an optimizer step takes together in an epoch."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, GradientAccumulationScheduler):
            return callback.get_accumulate_grad_batches(epoch)
    return trainer.accumulate_grad_batches
