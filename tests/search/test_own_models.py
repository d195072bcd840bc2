"""Searches on models, data and metrics that are not this package's: several labels, binary, segmentation."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torchmetrics.classification import BinaryAveragePrecision, MulticlassJaccardIndex, MultilabelF1Score

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import GloError
from glo_lightning.losses import SigmoidLoss, TreeLoss, load_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch, SearchResult
from tests.training.same_data import ThreeParts

CPU = {"max_epochs": 1, "accelerator": "cpu"}
SMALL = {"generations": 1, "population_size": 4, "finalists": 2, "finalist_seeds": 1, "comparison_seeds": 2}


class OwnModel(LightningModule):
    """Whatever a user wrote: a network, a metric, and a loss that is called in one place."""

    def __init__(self, network: nn.Module, metric: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.metric = metric
        self.criterion = nn.BCEWithLogitsLoss()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        return self.criterion(self.network(inputs), labels)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        inputs, labels = batch
        self.metric(self.network(inputs), labels.long())
        self.log("val_metric", self.metric)

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        inputs, labels = batch
        self.metric(self.network(inputs), labels.long())
        self.log("test_metric", self.metric)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def vectors() -> Tensor:
    return torch.randn(128, 6, generator=torch.Generator().manual_seed(0))


def several_labels() -> TensorDataset:
    return TensorDataset(vectors(), (vectors()[:, :3] + vectors()[:, 3:] > 0.5).float())


def binary() -> TensorDataset:
    return TensorDataset(vectors(), (vectors()[:, :1] > 0.0).float())


def masks() -> TensorDataset:
    images = torch.randn(32, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    return TensorDataset(images, (images[:, 0] > 0.0).long() + (images[:, 1] > 0.5).long())


TASKS = {
    "several labels": (several_labels, lambda: OwnModel(nn.Linear(6, 3), MultilabelF1Score(3)), "sigmoid"),
    "binary": (binary, lambda: OwnModel(nn.Linear(6, 1), BinaryAveragePrecision()), "sigmoid"),
    "segmentation": (masks, lambda: OwnModel(nn.Conv2d(2, 3, 3, padding=1), MulticlassJaccardIndex(3)), "softmax"),
}


def search(task: str, folder: Path, **settings: object) -> SearchResult:
    data, model, outputs = TASKS[task]
    found = LossSearch(
        **{**SMALL, "outputs": outputs, "monitor": "val_metric", "loss_attribute": "criterion", **settings},
        output_dir=str(folder),
    )
    return found.run(model, ThreeParts(data(), batch_size=32), CPU)


@pytest.mark.parametrize("task", TASKS)
def test_a_search_ends_with_a_loss_that_the_model_takes(task: str, tmp_path: Path) -> None:
    result = search(task, tmp_path)
    data, model, outputs = TASKS[task]
    loss = load_loss(tmp_path / "discovered_loss.json")
    assert isinstance(loss, SigmoidLoss) == (outputs == "sigmoid")
    inputs, labels = data()[:8]
    assert loss(model().network(inputs), labels).isfinite()
    assert result.comparison is not None
    names = [each.name for each in result.comparison.results]
    assert names[0] == "cross-entropy"
    assert names[-1] == "discovered"
    assert all(0.0 <= each.mean <= 1.0 for each in result.comparison.results)


@pytest.mark.parametrize(
    "settings",
    [{"family": "glo", "stage": "trees"}, {"normalize": "drive", "parameters": "canonical"}],
    ids=["trees", "normalised"],
)
def test_every_kind_of_search_takes_sigmoid_outputs(settings: dict[str, object], tmp_path: Path) -> None:
    loss = search("several labels", tmp_path, comparison_seeds=0, **settings).discovered_loss
    assert isinstance(loss, SigmoidLoss)
    assert isinstance(loss.loss, TreeLoss) == (settings.get("family") == "glo")


def test_labels_that_need_another_setting_are_refused_before_anything_trains(tmp_path: Path) -> None:
    with pytest.raises(GloError, match=r"set outputs='sigmoid'"):
        search("several labels", tmp_path, outputs="softmax")
    with pytest.raises(GloError, match=r"leave outputs out"):
        search("segmentation", tmp_path, outputs="sigmoid")


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Samples without indices."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        data = binary()
        return (data[index] for index in range(64))


class StreamedData(ThreeParts):
    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(Stream(), 32)


def test_what_could_not_be_known_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"outputs": "sigmoid", "monitor": "val_metric", "loss_attribute": "criterion", "comparison_seeds": 0}
    small = LossSearch(**{**SMALL, **settings}, output_dir=tmp_path)
    small.run(TASKS["binary"][1], StreamedData(binary(), batch_size=32), CPU)
    known = "Whether training, validation and test data share samples cannot be known: Stream has no indices."
    assert known in caplog.messages


class Wandering(DigitsDataModule):
    """Data of somebody who works in another folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def setup(self, stage: str | None = None) -> None:
        os.chdir(self.folder)
        super().setup(stage)


@pytest.mark.parametrize("storage", [None, "study.db"])
def test_files_stay_together_whatever_folder_the_data_are_read_in(
    storage: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    search = LossSearch(**{**SMALL, "comparison_seeds": 0}, evaluator="trainer", storage=storage, study_name="mine")
    result = search.run(lambda: Classifier(mlp(hidden=(8,))), Wandering(tmp_path / "data"), CPU)
    assert Path.cwd() == tmp_path / "own"
    assert result.output_dir == tmp_path / "own" / "runs" / "mine"
    assert "Files in runs/mine" in str(result)
    assert (result.output_dir / "best_loss.json").is_file()
    assert os.listdir(tmp_path / "data") == []
    os.chdir(tmp_path / "data")  # as in a notebook
    assert len(result.to_frame()) == 4
    assert load_loss(result.output_dir / "best_loss.json").to_dict() == result.best_loss.to_dict()
