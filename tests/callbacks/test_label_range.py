"""Labels that are none, in a later batch than the first: an error that names them, at every door that trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from glo_lightning.callbacks import LossInjection
from glo_lightning.callbacks.label_range import LabelRange
from glo_lightning.errors import LossError
from glo_lightning.losses import CrossEntropyLoss, HuberLoss, SigmoidLoss, TaylorLoss, baseline_loss, for_outputs
from glo_lightning.losses.options import Outputs
from glo_lightning.search import LossSearch
from glo_lightning.train.settings import TrainSettings
from glo_lightning.train.training import train_fully
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.training.same_data import ThreeParts

BATCH, BATCHES = 4, 6
INPUTS = torch.randn(BATCH * BATCHES, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(BATCH * BATCHES) % 3
YES = (INPUTS > 0).float()


class Model(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(3, 3)
        self.loss_fn = nn.Identity()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.loss_fn(self.network(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_score", 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def spoilt(target: Tensor, value: float) -> Tensor:
    """Labels of which some in the fifth batch are of another value."""
    target = target.clone()
    target[4 * BATCH + 1] = value
    return target


SPOILT: dict[str, tuple[Outputs, Tensor, str, str]] = {
    "class": ("softmax", spoilt(CLASSES, 7), "labels in 0..2, got labels from 0 to 7", "target < 3"),
    "void -100": ("softmax", spoilt(CLASSES, -100), "got labels from -100 to", "target >= 0"),
    "void 255": ("softmax", spoilt(CLASSES, 255), "to 255", "target < 3"),
    "NaN in several": ("sigmoid", spoilt(YES, torch.nan), "labels in [0, 1], got NaN", "(target <= 1), then pass"),
    "-1 in several": ("sigmoid", spoilt(YES, -1.0), "got labels from -1 to 1", "(target <= 1), then pass"),
    "NaN in numbers": ("real", spoilt(INPUTS, torch.nan), "finite targets", "keep = target.isfinite()"),
    "infinity in numbers": ("real", spoilt(INPUTS, torch.inf), "finite targets", "keep = target.isfinite()"),
    "NaN in distributions": ("softmax", spoilt(YES.softmax(1), torch.nan), "got NaN", "(target <= 1)).all(1)"),
}  # fmt: skip
every_label = pytest.mark.parametrize(("outputs", "target", "got", "cure"), SPOILT.values(), ids=SPOILT)


def data_of(target: Tensor) -> ThreeParts:
    """Labels to train on, and others, that are labels, to validate and test."""
    sound = target[:BATCH].repeat(BATCHES, *[1] * (target.ndim - 1))
    return ThreeParts(
        TensorDataset(torch.cat([INPUTS, INPUTS + 9.0]), torch.cat([target, sound])), BATCH, shuffle=False
    )


def task_of(target: Tensor) -> Task:
    return python_task(Model, data_of(target), {"accelerator": "cpu", "max_epochs": 2})


def by_callback(target: Tensor, outputs: Outputs, folder: Path) -> None:
    task = task_of(target)
    trainer = task.build_trainer([LossInjection(baseline_loss(outputs))], {})
    trainer.fit(task.build_model(), task.datamodule)


def by_evaluator(target: Tensor, outputs: Outputs, folder: Path) -> None:
    run = Run(HuberLoss() if outputs == "real" else for_outputs(TaylorLoss([0.5] * 8), outputs), 0)
    (evaluation,) = TrainerEvaluator(task_of(target), Monitor("val_score")).evaluate([run])
    assert evaluation.status is Status.COMPLETED


def by_training(target: Tensor, outputs: Outputs, folder: Path) -> None:
    settings = TrainSettings(monitor="val_score", outputs=outputs, test=False)
    train_fully(task_of(target), baseline_loss(outputs), settings, folder)


@every_label
@pytest.mark.parametrize("door", [by_callback, by_evaluator, by_training])
def test_they_are_told_from_a_divergence(
    door: Callable[..., None], outputs: Outputs, target: Tensor, got: str, cure: str, tmp_path: Path
) -> None:
    with pytest.raises(LossError) as caught:
        door(target, outputs, tmp_path)
    assert got in str(caught.value)
    assert cure in caught.value.cure


def test_a_search_ends_with_the_error(tmp_path: Path) -> None:
    search = LossSearch(
        generations=1, population_size=4, invariant="none", outputs="sigmoid", monitor="val_score", comparison_seeds=0,
        output_dir=tmp_path, verbosity="quiet",
    )  # fmt: skip
    data = data_of(spoilt(YES, torch.nan))
    with pytest.raises(LossError, match="got NaN"):
        search.run(Model, data, {"accelerator": "cpu", "max_epochs": 1})


@pytest.mark.parametrize("door", [by_callback, by_evaluator, by_training])
@pytest.mark.parametrize(("outputs", "target"), [("sigmoid", YES), ("softmax", CLASSES), ("softmax", YES.softmax(1))])
def test_labels_that_are_labels_pass(
    door: Callable[..., None], outputs: Outputs, target: Tensor, tmp_path: Path
) -> None:
    door(target, outputs, tmp_path)


def test_a_loss_is_left_as_it_was() -> None:
    loss = SigmoidLoss(CrossEntropyLoss())
    for target in (YES, spoilt(YES, torch.nan)):
        task = task_of(target)
        trainer = task.build_trainer([LossInjection(loss)], {})
        with pytest.raises(LossError) if target.isnan().any() else torch.enable_grad():
            trainer.fit(task.build_model(), task.datamodule)
        assert not loss._forward_pre_hooks
        assert not loss._forward_hooks


@pytest.mark.parametrize("door", ["evaluator", "train"])
def test_a_gpu_that_refuses_an_index_is_no_failure_of_a_candidate(door: str, tmp_path: Path) -> None:
    class Asserting(Model):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            loss: Tensor = self.loss_fn(self.network(batch[0]), batch[1])
            if self.current_epoch:
                raise RuntimeError("CUDA error: device-side assert triggered")
            return loss

    task = python_task(Asserting, data_of(CLASSES), {"accelerator": "cpu", "max_epochs": 2})
    doors = {
        "evaluator": lambda: TrainerEvaluator(task, Monitor("val_score")).evaluate([Run(CrossEntropyLoss(), 0)]),
        "train": lambda: train_fully(
            task, CrossEntropyLoss(), TrainSettings(monitor="val_score", test=False), tmp_path
        ),
    }
    with pytest.raises(LossError, match="an index that the GPU refuses"):
        doors[door]()


def call_positionally(loss: nn.Module, target: Tensor) -> Any:
    return loss(torch.zeros_like(target), target)


def call_by_name(loss: nn.Module, target: Tensor) -> Any:
    return loss(torch.zeros_like(target), target=target)


@pytest.mark.parametrize("call", [call_positionally, call_by_name])
@pytest.mark.parametrize(
    ("labels", "refused"),
    [
        ([0.0, 1.0, 0.5], False),
        ([1.0005, -0.0005], False),
        ([], False),
        ([1.1], True),
        ([-1.0], True),
        ([torch.nan], True),
        ([torch.inf], True),
    ],
)
def test_what_is_a_label(call: Callable[..., Any], labels: list[float], refused: bool) -> None:
    loss = SigmoidLoss(CrossEntropyLoss())
    seen = LabelRange(loss)
    for each in ([0.5], labels, [0.25]):
        call(loss, torch.tensor(each))
    if refused:
        with pytest.raises(LossError):
            seen.check()
    seen.check()  # what has been looked at is not looked at again


def test_a_compiled_step_is_left_in_one_piece() -> None:
    loss = SigmoidLoss(CrossEntropyLoss())
    LabelRange(loss)
    compiled = torch.compile(lambda logits, target: loss(logits, target), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(INPUTS, YES), loss(INPUTS, YES))
