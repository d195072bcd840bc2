"""A task that trains in milliseconds, importable by worker processes."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from glo_lightning.data.tensor_data import Splits, TensorDataModule

TRAINER = {"accelerator": "cpu", "max_epochs": 2}


class ToyData(TensorDataModule):
    """Three clouds of points in four dimensions."""

    num_classes = 3
    input_shape = (4,)

    def __init__(self, batch_size: int = 16) -> None:
        super().__init__(batch_size)

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(0)
        targets = torch.arange(96) % 3
        inputs = torch.randn(96, 4, generator=generator) + nn.functional.one_hot(targets, 4)
        return Splits(*((inputs[start : start + 32], targets[start : start + 32]) for start in (0, 32, 64)))


class ToyModel(LightningModule):
    """A linear classifier."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3))
        self.loss_fn: Any = nn.CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, target = batch
        loss: Tensor = self.loss_fn(self.net(inputs), target)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        inputs, target = batch
        logits = self.net(inputs)
        self.log("val_loss", nn.functional.cross_entropy(logits, target), sync_dist=True)
        self.log("val_accuracy", (logits.argmax(-1) == target).float().mean(), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Outspoken(ToyModel):
    """Says by our loggers that it is built."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        logging.getLogger("glo_lightning.outspoken").warning("a model is built")


class SmoothingModel(ToyModel):
    """Has a loss of its own, which candidates do without."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.3)


class GatedModel(ToyModel):
    """Ends no training of two epochs before a file exists."""

    def __init__(self, gate: str) -> None:
        super().__init__()
        self.gate = Path(gate)

    def on_train_epoch_start(self) -> None:
        while self.current_epoch == 1 and not self.gate.exists():
            time.sleep(0.05)


class HeldModel(ToyModel):
    """Trains a dozen times, and no more before a file exists."""

    def __init__(self, gate: str) -> None:
        super().__init__()
        self.gate, self.begun = Path(gate), Path(f"{gate}.begun")

    def on_train_start(self) -> None:
        with self.begun.open("ab") as file:
            file.write(b".")
        while self.begun.stat().st_size > 12 and not self.gate.exists():
            time.sleep(0.02)


class NarrowModel(ToyModel):
    """Another model of the same kind."""

    def __init__(self) -> None:
        super().__init__(width=3)


class DropoutModel(ToyModel):
    """A model of the same size."""

    def __init__(self) -> None:
        super().__init__()
        self.net.append(nn.Dropout(0.1))


class TunableModel(ToyModel):
    """Remembers how it was built."""

    built: ClassVar[list[tuple[float, float, list[int]]]] = []

    def __init__(self, learning_rate: float = 0.1, momentum: float = 0.5, milestones: Sequence[int] = (1, 3)) -> None:
        super().__init__()
        assert learning_rate > 0.0
        TunableModel.built.append((learning_rate, momentum, list(milestones)))
        self.learning_rate, self.momentum, self.milestones = learning_rate, momentum, milestones

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.learning_rate, self.momentum)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(self.milestones), 0.1)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


class OutOfMemoryModel(ToyModel):
    """Has no memory for some losses: those whose value is above 20."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        if loss > 20.0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss


class CrashingRankModel(ToyModel):
    """Crashes on rank 1 for the same losses."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        if loss > 20.0 and self.global_rank == 1:
            raise ValueError("rank 1 has had enough")
        return loss


class DivergingModel(ToyModel):
    """Its loss is not finite from the fourth step on, as after a step that was too large."""

    first_epoch = 0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        too_late = self.global_step >= 3 and self.current_epoch >= self.first_epoch
        return loss * torch.nan if too_late else loss


class UnlearningModel(ToyModel):
    """The longer it trains, the worse it is; how much worse depends on the loss."""

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        size = sum(parameter.norm() for parameter in self.parameters())
        self.log("val_forgotten", self.trainer.global_step + torch.sigmoid(size))
