"""Stopping at a loss that is no number, in modules that have one at every step and in others."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.callbacks.training_loss import TrainingLossLog
from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp


class Skipping(Classifier):
    """Passes over some of its batches, and diverges in batch 5 if told to."""

    def __init__(self, diverges: bool = False) -> None:
        super().__init__(mlp())
        self.diverges = diverges

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor | None:  # type: ignore[override]
        if batch_idx % 3 == 0:
            return None
        loss = super().training_step(batch, batch_idx)
        return loss * float("nan") if self.diverges and batch_idx == 5 else loss


class ByHand(LightningModule):
    """Optimizes by hand, and returns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = mlp()
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss_fn(self.network(batch[0]), batch[1]))
        optimizer.step()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _fit(model: LightningModule) -> tuple[Trainer, StopOnDivergence]:
    divergence = StopOnDivergence()
    trainer = Trainer(
        max_epochs=2, limit_train_batches=8, limit_val_batches=0, accelerator="cpu", logger=False,
        callbacks=[divergence, TrainingLossLog()], enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, DigitsDataModule())
    return trainer, divergence


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_batches_that_are_skipped_pass_and_the_mean_is_of_the_others() -> None:
    trainer, divergence = _fit(Skipping())
    assert divergence.reason == ""
    assert trainer.current_epoch == 2
    assert 0.0 < float(trainer.callback_metrics["train_loss"]) < 3.0


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_divergence_between_skipped_batches_is_seen_at_once() -> None:
    trainer, divergence = _fit(Skipping(diverges=True))
    assert "not finite at step 6" in divergence.reason
    assert trainer.global_step == 6


def test_a_module_that_optimizes_by_hand_trains() -> None:
    trainer, divergence = _fit(ByHand())
    assert divergence.reason == ""
    assert trainer.current_epoch == 2
    assert "train_loss" not in trainer.callback_metrics
