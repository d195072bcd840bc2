"""A user's project that trains in milliseconds, importable by the command line: models named by what is peculiar."""

from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader

from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.models import Classifier


class Data(TensorDataModule):
    """Three clouds of points; two batches to train on, one to validate, one to test."""

    num_classes = 3
    input_shape = (4,)

    def __init__(self, batch_size: int = 16) -> None:
        super().__init__(batch_size)

    def load(self) -> Splits:
        targets = torch.arange(64) % 3
        inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)) + nn.functional.one_hot(targets, 4)
        return Splits(*((inputs[start:end], targets[start:end]) for start, end in ((0, 32), (32, 48), (48, 64))))


class SmallBatches(Data):
    """Sixteen batches to train on."""

    def __init__(self) -> None:
        super().__init__(batch_size=2)


class TwoValidationLoaders(Data):
    """Validates in two halves."""

    def val_dataloader(self) -> Any:
        inputs, target = self.val_tensors
        return [DataLoader([(x, y) for x, y in zip(*half, strict=True)], 8) for half in (  # type: ignore[arg-type]
            (inputs[:8], target[:8]), (inputs[8:], target[8:])
        )]  # fmt: skip


class Plain(Classifier):
    """Nothing is peculiar."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)), momentum=0.0)


class PerStepSchedule(Plain):
    """Halves its learning rate with every step."""

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = torch.optim.SGD(self.parameters(), 1.0)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class ByHand(Plain):
    """Optimizes by hand, after every second batch."""

    accumulated = 2

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.manual_backward(loss)
        if (batch_idx + 1) % self.accumulated == 0:
            optimizers = self.optimizers()
            for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
                optimizer.step()
                optimizer.zero_grad()
        return loss


class TwoOptimizers(ByHand):
    """Has an optimizer for each layer, and steps with both after every batch."""

    accumulated = 1

    def configure_optimizers(self) -> Any:
        first, _, last = self.network.children()
        return [torch.optim.SGD(first.parameters(), 0.1), torch.optim.SGD(last.parameters(), 0.2)]


class Compiled(Plain):
    """Compiles what training and validation share."""

    def __init__(self) -> None:
        super().__init__()
        self.step = torch.compile(self._step, backend="eager")

    def _step(self, inputs: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.loss_fn(self.network(inputs), target)
        return loss

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.step(*batch)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        self.step(*batch)


class SeveralLoaders(Plain):
    """Validates on several loaders."""

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)
