"""The test split: what measures it, and what is refused before it is needed."""

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import DataError, GloError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.options import options_of
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.checks.splits import check_splits
from glo_lightning.training.monitor import Monitor, name_on_test
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.test_split import measure_on_test, require_test
from glo_lightning.training.trainer import TrainerEvaluator

CPU = {"accelerator": "cpu", "max_epochs": 1}


class Validated(LightningModule):
    """Has no test_step; logs the mean of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(1, 2)
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.loss_fn(self.network(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_mean", batch[0].mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Measured(Validated):
    """Logs another metric when tested."""

    def test_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("test_mean", batch[0].mean())


class Untold(Measured):
    def test_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        self.log("test_total", batch[0].sum())


def _loader(value: float) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(torch.full((8, 1), value), torch.arange(8) % 2), 8)


class Untestable(LightningDataModule):
    """Serves ones to train on and twos to validate, ten times as much when they reach the device."""

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return _loader(1.0)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return _loader(2.0)

    def on_after_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> list[Tensor]:
        return [10.0 * batch[0], batch[1]]


class Numbers(Untestable):
    """Has threes to test, once it is told to set them up."""

    opened = 0

    def setup(self, stage: str) -> None:
        if stage == "test":
            self.test_numbers = 3.0

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        self.opened += 1
        return _loader(self.test_numbers)


class TwoTests(Numbers):
    def test_dataloader(self) -> list[DataLoader[tuple[Tensor, ...]]]:  # type: ignore[override]
        return [_loader(3.0), _loader(4.0)]


def _task(model: type[LightningModule], data: LightningDataModule) -> Task:
    return python_task(model, data, CPU)


@pytest.mark.parametrize("model", [Validated, Measured])
def test_the_test_split_is_measured_with_or_without_a_test_step(model: type[LightningModule]) -> None:
    data = Numbers()
    (evaluation,) = TrainerEvaluator(_task(model, data), Monitor("val_mean"), split="test").evaluate(
        [Run(CrossEntropyLoss(), 0)]
    )
    assert evaluation.metric == 30.0
    assert data.opened == 1
    assert next(iter(data.val_dataloader()))[0].mean() == 2.0, "the data module serves its own again"


class Rising(Numbers):
    """Tests on batches of threes and of fives, whose mean is 40, validates on two of twos."""

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(_loader(2.0).dataset, 4)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(torch.tensor([[3.0]] * 4 + [[5.0]] * 4), torch.arange(8) % 2), 4)


@pytest.mark.parametrize("model", [Validated, Measured])
@pytest.mark.parametrize(("limits", "metric"), [({"limit_val_batches": 1}, 40.0), ({"limit_test_batches": 1}, 30.0)])
def test_the_limit_of_the_test_applies_with_or_without_a_test_step(
    model: type[LightningModule], limits: dict[str, int], metric: float
) -> None:
    task = python_task(model, Rising(), {**CPU, **limits})
    trainer, trained = task.build_trainer([], {}), task.build_model()
    trainer.fit(trained, datamodule=task.datamodule)
    assert set(measure_on_test(trainer, trained, task).values()) == {metric}
    assert trainer.limit_val_batches == limits.get("limit_val_batches", 1.0), "validations have their own again"


def test_metrics_of_several_test_loaders_come_together() -> None:
    task = _task(Measured, TwoTests())
    metrics = measure_on_test(task.build_trainer([], {}), task.build_model(), task)
    assert metrics == {"test_mean/dataloader_idx_0": 30.0, "test_mean/dataloader_idx_1": 40.0}
    with pytest.raises(DataError, match=r"one loader to test on.*got 2 from TwoTests.test_dataloader"):
        check_splits(task, "val_mean", tested=True)


class TwoValidations(Numbers):
    """Has two loaders to validate."""

    def val_dataloader(self) -> list[DataLoader[tuple[Tensor, ...]]]:  # type: ignore[override]
        return [_loader(2.0), _loader(5.0)]


class TwoOfEach(TwoValidations, TwoTests):
    """Has two loaders of each."""


class Several(Validated):
    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)


class MeasuredSeveral(Several, Measured):
    """Has a test_step, too."""


@pytest.mark.parametrize("model", [Several, MeasuredSeveral])
@pytest.mark.parametrize(
    ("data", "metric"), [(TwoValidations, 30.0), (TwoOfEach, 40.0)], ids=["one to test on", "two to test on"]
)
def test_a_monitor_of_one_of_several_loaders_is_measured_on_its_place(
    model: type[LightningModule], data: type[LightningDataModule], metric: float
) -> None:
    task, monitor = _task(model, data()), Monitor("val_mean/dataloader_idx_1")
    assert probe_task(task, monitor).metrics[monitor.name] == 50.0
    require_test(task, monitor)
    assert check_splits(task, monitor.name, tested=True) == ""
    (evaluation,) = TrainerEvaluator(task, monitor, split="test").evaluate([Run(CrossEntropyLoss(), 0)])
    assert evaluation.metric == metric


class ThreeTests(TwoValidations):
    def test_dataloader(self) -> list[DataLoader[tuple[Tensor, ...]]]:  # type: ignore[override]
        return [_loader(3.0)] * 3


class NothingToTest(Numbers):
    def test_dataloader(self) -> list[DataLoader[tuple[Tensor, ...]]]:  # type: ignore[override]
        return []


class Incomplete(Numbers):
    def test_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(TensorDataset(torch.ones(8, 1), torch.arange(8) % 2), 16, drop_last=True)


@pytest.mark.parametrize(
    ("data", "trainer", "text"),
    [
        (ThreeTests, {}, "one loader to test on, or 2, as many as to validate, got 3 from ThreeTests"),
        (NothingToTest, {}, "test_dataloader to serve at least one batch, got none from NothingToTest"),
        (Incomplete, {}, "test_dataloader to serve at least one batch, got none from Incomplete"),
        (Numbers, {"limit_test_batches": 0}, "limit_test_batches above 0"),
    ],
)
def test_what_leaves_nothing_or_too_much_to_test_on_is_refused(
    data: type[LightningDataModule], trainer: dict[str, object], text: str
) -> None:
    monitor = "val_mean/dataloader_idx_0" if data is ThreeTests else "val_mean"
    with pytest.raises(GloError, match=text):
        check_splits(python_task(Several, data(), {**CPU, **trainer}), monitor, tested=True)
    assert check_splits(python_task(Several, data(), {**CPU, **trainer}), monitor, tested=False) == ""


@pytest.mark.parametrize("model", [Validated, Measured])
def test_a_task_that_can_be_tested_passes_with_its_test_split_closed(model: type[LightningModule]) -> None:
    data = Numbers()
    require_test(_task(model, data), Monitor("val_mean"))
    assert data.opened == 0


class Staged(Numbers):
    """Sets up what a stage needs, and tears it down."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage in ("fit", "validate"):
            self.val_numbers = 2.0

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return _loader(self.val_numbers)

    def teardown(self, stage: str) -> None:
        if stage in ("fit", "validate"):
            del self.val_numbers


class Named(Measured):
    """Takes test batches of three parts."""

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:  # type: ignore[override]
        inputs, _, _ = batch
        self.log("test_mean", inputs.mean())


def test_data_that_are_set_up_stage_by_stage_pass() -> None:
    task = _task(Measured, Staged())
    task.build_trainer([], {}).fit(task.build_model(), datamodule=task.datamodule)
    require_test(task, Monitor("val_mean"))


def test_a_test_step_that_cannot_be_tried_passes() -> None:
    require_test(_task(Named, Numbers()), Monitor("val_mean"))


def test_our_own_parts_pass() -> None:
    require_test(python_task(lambda: Classifier(mlp()), DigitsDataModule(), CPU), Monitor())


@pytest.mark.parametrize(
    ("verb", "cure"),
    [
        ("", "Add one, or do without: comparison_seeds=0 of a search, test=False of a training."),
        ("search", "Add one, or do without: --search.comparison_seeds=0."),
        ("train", "Add one, or do without: --train.test=false."),
        ("compare", "Add one."),
    ],
)
def test_without_test_data_every_door_tells_its_cure(verb: str, cure: str) -> None:
    with options_of(verb), pytest.raises(ModelError, match="Untestable without") as caught:
        require_test(_task(Measured, Untestable()), Monitor("val_mean"))
    assert caught.value.cure == cure


def test_a_test_step_that_logs_something_else_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"test_step to log 'test_mean', got only \['test_total'\]"):
        require_test(_task(Untold, Numbers()), Monitor("val_mean"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val_accuracy", "test_accuracy"),
        ("valid/f1", "test/f1"),
        ("validation_accuracy", "test_accuracy"),
        ("valAccuracy", "testAccuracy"),
        ("accuracy/val", "accuracy/test"),
        ("interval", "interval"),
        ("f1", "f1"),
    ],
)
def test_test_metrics_are_named_after_validation_metrics(name: str, expected: str) -> None:
    assert name_on_test(name) == expected
