"""Train with all learning rates multiplied by a factor, whatever the optimizer and its schedule are."""

import math
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch.optim import Optimizer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.errors import SettingsError


class LearningRateFactor(LeanCallback):
    """Multiplies the learning rate of every parameter group while an optimizer steps.

    Schedules, checkpoints and what is logged keep the configured rates, so that the factor holds over the whole
    schedule, however it is made, and in a fit that goes on from a checkpoint. Under plain SGD it does what a factor of
    the loss does; under Adam, which a factor of the loss does not reach, it is how to search the size of steps.

    Args:
        factor: above 0, finite.

    Raises:
        SettingsError: if it is not.

    Example:
        >>> LearningRateFactor(0.5).factor
        0.5
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        if not 0.0 < factor < math.inf:
            raise SettingsError("a learning_rate_factor above 0", repr(factor), "Use 1 for the configured rates.")
        self.factor = factor
        self._hooks: list[Any] = []
        self._configured: dict[int, list[Any]] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watch the optimizers' steps."""
        for optimizer in trainer.optimizers:
            self._hooks += [
                optimizer.register_step_pre_hook(self._multiply),
                optimizer.register_step_post_hook(self._restore),
            ]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the optimizers."""
        self._leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let go of the optimizers; a failed fit never reaches teardown."""
        self._leave()

    def _multiply(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._configured[id(optimizer)] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.factor

    def _restore(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for group, configured in zip(optimizer.param_groups, self._configured.pop(id(optimizer)), strict=True):
            group["lr"] = configured

    def _leave(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
