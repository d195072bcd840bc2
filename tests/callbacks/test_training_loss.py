"""The logged training loss is the mean over the batches of an epoch."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from torch import Tensor

from glo_lightning.callbacks.training_loss import TrainingLossLog
from tests.callbacks.test_fit_progress import ByHand
from tests.search.toy import ToyData, ToyModel


class Frozen(ToyModel):
    """Notes its losses, and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


class FrozenByHand(ByHand, Frozen):
    def __init__(self) -> None:
        super().__init__(1)
        self.losses = []


@pytest.mark.parametrize(
    ("kind", "trainer"),
    [
        (Frozen, {}),
        (Frozen, {"accumulate_grad_batches": 4}),
        (Frozen, {"accumulate_grad_batches": 3}),
        (Frozen, {"callbacks": [GradientAccumulationScheduler({0: 2, 1: 4})], "max_epochs": 2}),
        (FrozenByHand, {}),
    ],
    ids=["plain", "accumulated", "with a rest", "scheduled", "by hand"],
)
def test_it_is_the_mean_over_batches_however_gradients_accumulate(kind: type[Frozen], trainer: dict[str, Any]) -> None:
    model = kind()
    callbacks = [*trainer.pop("callbacks", []), TrainingLossLog()]
    options = {"max_epochs": 1, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, **trainer}
    fitted = Trainer(accelerator="cpu", callbacks=callbacks, enable_model_summary=False, **options)
    fitted.fit(model, ToyData(batch_size=8))
    last = model.losses[-4:]
    assert float(fitted.callback_metrics["train_loss"]) == pytest.approx(sum(last) / 4, rel=1e-5)
