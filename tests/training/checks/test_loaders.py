"""Loaders and limits that leave nothing to train on or to validate are refused by what they are."""

from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.errors import GloError
from glo_lightning.training.checks.loaders import monitored
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import python_task
from tests.search.toy import ToyModel


def serve(samples: int, batch_size: int = 4) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.randn(samples, 4), torch.arange(samples) % 3), batch_size, drop_last=True)


class Data(LightningDataModule):
    """Serves given loaders."""

    def __init__(self, train: Any, val: Any) -> None:
        super().__init__()
        self.train, self.val = train, val

    def train_dataloader(self) -> Any:
        return self.train

    def val_dataloader(self) -> Any:
        return self.val


class NoValidation(LightningDataModule):
    def train_dataloader(self) -> Any:
        return serve(8)


class Unvalidated(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.loss_fn = nn.Linear(4, 3), nn.CrossEntropyLoss()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.loss_fn(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


EMPTY: dict[str, tuple[Any, type[LightningModule], dict[str, Any], str]] = {
    "no training samples": (Data(serve(0), serve(8)), ToyModel, {}, "train_dataloader to serve at least one batch"),
    "no whole batch": (Data(serve(3), serve(8)), ToyModel, {}, "train_dataloader to serve .* fewer than batch_size"),
    "no validation samples": (Data(serve(8), serve(0)), ToyModel, {}, "val_dataloader to serve at least one batch"),
    "no whole validation batch": (Data(serve(8), serve(3)), ToyModel, {}, "val_dataloader to serve"),
    "no validation loaders": (Data(serve(8), []), ToyModel, {}, "val_dataloader to serve at least one batch"),
    "no val_dataloader": (NoValidation(), ToyModel, {}, "a data module with a val_dataloader.*NoValidation without"),
    "no validation_step": (Data(serve(8), serve(8)), Unvalidated, {}, "Unvalidated without validation_step"),
    "training limited": (Data(serve(8), serve(8)), ToyModel, {"limit_train_batches": 0}, "limit_train_batches above 0"),
    "validation limited": (Data(serve(8), serve(8)), ToyModel, {"limit_val_batches": 0}, "limit_val_batches above 0"),
}


@pytest.mark.parametrize(("data", "model", "trainer", "text"), EMPTY.values(), ids=EMPTY)
@pytest.mark.filterwarnings("ignore")
def test_nothing_to_train_on_or_validate_is_refused(
    data: LightningDataModule, model: type[LightningModule], trainer: dict[str, Any], text: str
) -> None:
    with pytest.raises(GloError, match=text):
        probe_task(python_task(model, data, {"accelerator": "cpu", "max_epochs": 1, **trainer}), Monitor())


def test_a_metric_points_to_its_loader() -> None:
    assert monitored([1, 2, 3], "val_loss/dataloader_idx_1") == [2]
    assert monitored([1], "val_loss/dataloader_idx_1") == [1]
    assert monitored([1, 2], "val_loss") == [1, 2]
    assert monitored([1, 2], "val_loss/dataloader_idx_5") == []
