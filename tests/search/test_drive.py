"""Searches of drive losses, and of losses that know how frequent the classes are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.errors import DataError, SettingsError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import ClassAwareLoss, DriveLoss, SigmoidLoss, TwoSidedLoss, load_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch, SearchResult
from glo_lightning.search.records.read import Archive
from glo_lightning.search.spaces.drive import DriveSpace
from glo_lightning.training.checks.class_counts import count_classes
from glo_lightning.training.task import python_task
from tests.search.toy import TRAINER, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "family": "drive", "generations": 2, "population_size": 4, "finalists": 1, "finalist_seeds": 1,
    "comparison_seeds": 2, "comparison_epochs": 1, "rival_budget": 0, "verbosity": "quiet",
}  # fmt: skip


def search(folder: Path, model: Any, data: Any, **asked: Any) -> SearchResult:
    return LossSearch(**{**SMALL, **asked}, output_dir=folder, study_name="drive").run(model, data, TRAINER)


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_plain_sgd_has_the_scale_in_the_loss(tmp_path: Path, evaluator: str) -> None:
    result = search(tmp_path, lambda: Classifier(mlp(3, 4, (4,))), ToyData(), evaluator=evaluator)
    assert isinstance(result.discovered_loss, DriveLoss)
    assert result.discovered_hyperparameters == {}
    names = set(result.study.trials[0].params)
    assert names == {"log_scale", "q", "g", "c_1", "c_2"}
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == load_loss(tmp_path / "discovered_loss.json").to_dict()


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_adam_has_it_in_the_learning_rate(tmp_path: Path, evaluator: str) -> None:
    def model() -> Classifier:
        return Classifier(mlp(3, 4, (4,)), optimizer="adam", learning_rate=0.01)

    result = search(tmp_path, model, ToyData(), evaluator=evaluator)
    assert set(result.discovered_hyperparameters) == {LEARNING_RATE_FACTOR}
    assert float(result.discovered_loss.scale) == 1.0
    drawn = [trial.params[LEARNING_RATE_FACTOR] for trial in result.study.trials[4:]]
    assert len(set(drawn)) == len(drawn)
    assert result.comparison is not None
    assert "cross-entropy, joint" in [each.name for each in result.comparison.results]


def test_both_evaluators_see_the_same_search(tmp_path: Path) -> None:
    def model() -> Classifier:
        return Classifier(mlp(3, 4, (4,)), optimizer="adamw", learning_rate=0.01, weight_decay=0.1)

    values = []
    for evaluator in ("trainer", "population"):
        result = LossSearch(
            **{**SMALL, "comparison_seeds": 0}, output_dir=tmp_path / evaluator, study_name="same", evaluator=evaluator
        ).run(model, ToyData(), {**TRAINER, "precision": "64-true"})
        values.append([trial.value for trial in result.study.trials])
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_class_aware_losses_know_the_training_labels(tmp_path: Path) -> None:
    data = CorruptedDataModule(DigitsDataModule(batch_size=128), long_tail=20.0)
    asked = {"class_aware": True, "monitor": "val_balanced_accuracy", "comparison_seeds": 0}
    result = search(tmp_path, lambda: Classifier(mlp()), data, **asked)
    assert isinstance(result.discovered_loss, ClassAwareLoss)
    data.setup("fit")
    assert data.tensor_data is not None
    expected = torch.bincount(data.tensor_data.train_tensors[1]).tolist()
    assert list(result.discovered_loss.class_counts) == expected
    assert {"tau", "beta", "margin"} <= set(result.study.trials[0].params)
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == result.discovered_loss.to_dict()


class Served(LightningDataModule):
    """Anybody's loaders; some positions have no label."""

    def __init__(self, labels: list[int]) -> None:
        super().__init__()
        self.data = TensorDataset(torch.zeros(len(labels), 4), torch.tensor(labels))

    def train_dataloader(self) -> Any:
        return DataLoader(self.data, 2)


@pytest.mark.parametrize(("optimizer", "learning_rate"), [("sgd", 0.1), ("adam", 0.01)])
def test_known_losses_are_the_first_candidates(tmp_path: Path, optimizer: str, learning_rate: float) -> None:
    def model() -> Classifier:
        return Classifier(mlp(3, 4, (4,)), optimizer=optimizer, learning_rate=learning_rate)

    asked = {"generations": 1, "population_size": 6, "comparison_seeds": 0}
    trials = search(tmp_path / "known", model, ToyData(), **asked).study.trials
    space = DriveSpace(3, with_scale=optimizer == "sgd")
    assert [[trial.params[name] for name in space.distributions] for trial in trials[:4]] == space.known
    assert optimizer == "sgd" or {trial.params[LEARNING_RATE_FACTOR] for trial in trials[:4]} == {1.0}
    drawn = search(tmp_path / "drawn", model, ToyData(), **asked, known_first=False).study.trials
    assert [trial.params for trial in drawn[4:]] == [trial.params for trial in trials[4:]]
    assert all(trial.params != first.params for trial, first in zip(drawn[:4], trials[:4], strict=True))


def test_labels_are_counted_batch_by_batch() -> None:
    assert count_classes(python_task(ToyModel, Served([0, 1, 1, -100, 2, 1, 255])), 3) == (1, 3, 1)


def test_a_class_without_samples_is_refused() -> None:
    with pytest.raises(DataError, match="every class"):
        count_classes(python_task(ToyModel, Served([0, 1, 1])), 3)


BAD: dict[str, dict[str, Any]] = {
    "trees": {"family": "glo", "class_aware": True},
    "order": {"order": 2},
    "normalize": {"normalize": "drive"},
    "tasks": {"class_aware": True, "tasks": ("a.yaml", "b.yaml")},
}


@pytest.mark.parametrize("asked", BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        LossSearch(**{"family": "drive", **asked})


class Yes(ToyModel):
    """Asks of each class: yes or no?"""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        inputs, target = batch
        return self.loss_fn(self.net(inputs), torch.nn.functional.one_hot(target, 3).float())


def test_sigmoid_outputs_have_no_class_counts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="class_aware"):
        search(tmp_path, Yes, ToyData(), class_aware=True, outputs="sigmoid")


def test_sigmoid_outputs_have_a_drive_for_each_side(tmp_path: Path) -> None:
    result = search(tmp_path, Yes, ToyData(), outputs="sigmoid", monitor="val_loss", mode="min")
    assert isinstance(result.discovered_loss, SigmoidLoss)
    assert isinstance(result.discovered_loss.loss, TwoSidedLoss)
    assert {"balance", "q_yes", "g_yes", "q_no", "g_no"} <= set(result.study.trials[0].params)
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == load_loss(tmp_path / "discovered_loss.json").to_dict()
