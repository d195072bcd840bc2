"""A training that is gone on with, to the bit what it would have been without a stop."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.train.settings import TrainSettings
from glo_lightning.train.training import train_fully
from glo_lightning.training.task import python_task

INPUTS = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS[:, 0] > 0).long() + (INPUTS[:, 1] > 0).long()


class Dropping(LightningModule):
    """Drops units, and remembers which batches of an epoch it saw; may fail in one."""

    def __init__(self, fails_at: tuple[int, int] = (-1, -1)) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 3))
        self.loss_fn: Any = nn.CrossEntropyLoss()
        self.fails_at = fails_at

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        if (self.current_epoch, batch_idx) == self.fails_at:
            raise RuntimeError("stopped")
        loss: Tensor = self.loss_fn(self.net(batch[0]), batch[1])
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("val_accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


class Noisy(Dataset[tuple[Tensor, Tensor]]):
    """Adds noise from whatever generators there are, one of its own among them."""

    def __init__(self) -> None:
        self.own = np.random.default_rng(5)

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        noise = random.random() + np.random.rand() + self.own.random() + torch.rand(()).item()
        return INPUTS[index] + 0.1 * noise, LABELS[index]


class Data(LightningDataModule):
    """Shuffled loaders as people write them."""

    def __init__(self, make: Callable[[], DataLoader[Any]]) -> None:
        super().__init__()
        self.make = make

    def train_dataloader(self) -> Any:
        return self.make()

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(INPUTS[60:], LABELS[60:]), 10)


TRAIN = TensorDataset(INPUTS[:60], LABELS[:60])

LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "shuffled": lambda: DataLoader(TRAIN, 10, shuffle=True),
    "generator": lambda: DataLoader(TRAIN, 10, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "noise": lambda: DataLoader(Noisy(), 10, shuffle=True),
    "workers": lambda: DataLoader(Noisy(), 10, shuffle=True, num_workers=1),
}


def train(folder: Path, epochs: int, make: Callable[[], DataLoader[Any]] = LOADERS["shuffled"], **given: Any) -> Any:
    model = {name: given.pop(name) for name in ("fails_at",) if name in given}
    task = python_task(lambda: Dropping(**model), Data(make), {"accelerator": "cpu", "max_epochs": epochs, **given})
    trained = train_fully(task, CrossEntropyLoss(), TrainSettings(epochs=epochs, test=False), folder)
    return torch.load(trained.last, weights_only=True)


def is_same(first: Any, second: Any) -> bool:
    weights, others = first["state_dict"], second["state_dict"]
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_a_training_that_is_gone_on_with_sees_and_drops_what_it_would_have(
    make: Callable[[], DataLoader[Any]], tmp_path: Path
) -> None:
    whole = train(tmp_path / "whole", 4, make)
    train(tmp_path / "parts", 2, make)
    assert is_same(train(tmp_path / "parts", 4, make), whole)


def test_a_training_that_was_stopped_within_an_epoch_goes_on_with_all_of_it(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 3, val_check_interval=0.5)
    with pytest.raises(RuntimeError, match="stopped"):
        train(tmp_path / "parts", 3, val_check_interval=0.5, fails_at=(1, 4))
    assert torch.load(tmp_path / "parts" / "last.ckpt", weights_only=True)["epoch"] == 0
    resumed = train(tmp_path / "parts", 3, val_check_interval=0.5)
    assert resumed["global_step"] == whole["global_step"] == 18
    assert is_same(resumed, whole)
    best = [torch.load(tmp_path / name / "best.ckpt", weights_only=True) for name in ("whole", "parts")]
    assert is_same(*best)


def test_epochs_draw_apart(tmp_path: Path) -> None:
    seen: list[float] = []

    class Watched(Dropping):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            if batch_idx == 0 and not self.trainer.should_stop:
                seen.append(float(batch[0].sum()))

    task = python_task(Watched, Data(LOADERS["shuffled"]), {"accelerator": "cpu", "max_epochs": 4})
    train_fully(task, CrossEntropyLoss(), TrainSettings(test=False), tmp_path)
    assert len(set(seen[-4:])) == 4


def test_a_checkpoint_behind_a_validation_within_an_epoch_is_still_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        train(tmp_path, 3, val_check_interval=0.5, fails_at=(1, 4))
    (tmp_path / "best.ckpt").replace(tmp_path / "last.ckpt")  # as earlier versions left it
    assert train(tmp_path, 3, val_check_interval=0.5)["epoch"] == 2
