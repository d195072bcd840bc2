"""One batch tells whether a search can train a model, and which setting or change makes it able to."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from glo_lightning.errors import LossError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss, Outputs
from glo_lightning.training.checks.one_batch import Probe, probe_task, require_worst
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import max_epochs, python_task
from glo_lightning.training.test_split import require_test
from glo_lightning.training.trainer import TrainerEvaluator
from tests.training.same_data import SameData

INPUTS = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(16) % 3
SEVERAL = (INPUTS[:, :3] > 0.0).float()
REAL = INPUTS.sum(1, keepdim=True)
MASKS = CLASSES[:, None, None].expand(-1, 4, 4)


class Model(LightningModule):
    def __init__(self, outputs: int, shape: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = nn.Linear(4, outputs)
        self.shape = shape
        self.loss_fn = nn.Identity()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        inputs, target = batch
        return self.loss_fn(self.shape(self.network(inputs)), target)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_score", self.network(batch[0]).mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def probe(outputs: Outputs, width: int, target: Tensor, shape: Callable[[Tensor], Tensor] = lambda f: f) -> int:
    data = SameData(TensorDataset(INPUTS, target))
    task = python_task(lambda: Model(width, shape), data, {"accelerator": "cpu", "max_epochs": 1})
    return probe_task(task, Monitor("val_score"), outputs=outputs).num_classes


def as_image(f: Tensor) -> Tensor:
    return f[:, :, None, None].expand(-1, -1, 4, 4)


@pytest.mark.parametrize(
    ("outputs", "width", "target", "shape", "num_classes"),
    [
        ("softmax", 3, CLASSES, lambda f: f, 3),
        ("softmax", 3, SEVERAL.softmax(-1), lambda f: f, 3),
        ("softmax", 3, MASKS, as_image, 3),
        ("sigmoid", 3, SEVERAL, lambda f: f, 2),
        ("sigmoid", 1, SEVERAL[:, :1], lambda f: f, 2),
        ("sigmoid", 1, SEVERAL[:, 0], lambda f: f.squeeze(-1), 2),
        ("sigmoid", 1, SEVERAL[:, :1, None, None].expand(-1, -1, 4, 4), as_image, 2),
    ],
    ids=["classes", "distributions", "segmentation", "multi-label", "binary", "binary, one dimension", "binary masks"],
)
def test_what_losses_take(outputs: Outputs, width: int, target: Tensor, shape: object, num_classes: int) -> None:
    assert probe(outputs, width, target, shape) == num_classes  # type: ignore[arg-type]


SIGMOID = "set outputs='sigmoid', and give floating labels"
REGRESSION = "to predict numbers, set outputs='real'"
MISSING = "keep = (target >= 0) & (target <= 1)"
MISSING_ROWS = "keep = ((target >= 0) & (target <= 1)).all(1)"
SOME = SEVERAL.softmax(-1)


@pytest.mark.parametrize(
    ("outputs", "width", "target", "shape", "cures"),
    [
        ("softmax", 3, SEVERAL, lambda f: f, [SIGMOID]),
        ("softmax", 3, SEVERAL.long(), lambda f: f, [SIGMOID]),
        ("softmax", 1, SEVERAL[:, :1], lambda f: f, [SIGMOID]),
        ("softmax", 1, REAL, lambda f: f, [REGRESSION]),
        ("softmax", 3, INPUTS[:, :3], lambda f: f, [REGRESSION]),
        ("softmax", 3, REAL.squeeze(-1), lambda f: f, ["for real values set outputs=real"]),
        ("softmax", 3, CLASSES - 1, lambda f: f, ["keep = (target >= 0) & (target < 3)", "one output per class"]),
        ("softmax", 3, MASKS, lambda f: as_image(f).movedim(1, -1), ["logits.movedim(-1, 1)"]),
        ("sigmoid", 1, REAL, lambda f: f, [REGRESSION]),
        ("sigmoid", 3, CLASSES, lambda f: f, ["leave outputs out"]),
        ("sigmoid", 1, SEVERAL[:, 0].long(), lambda f: f, ["target.float().view_as(logits)"]),
        ("sigmoid", 1, SEVERAL[:, 0], lambda f: f, ["unsqueeze(-1)"]),
        ("sigmoid", 3, SEVERAL.long(), lambda f: f, [".float()"]),
        ("sigmoid", 3, SEVERAL.where(SEVERAL.cumsum(0) > 1, torch.nan), lambda f: f, [MISSING]),
        ("sigmoid", 3, SEVERAL.where(SEVERAL.cumsum(0) > 1, -1.0), lambda f: f, [MISSING]),
        ("sigmoid", 3, SEVERAL.where(SEVERAL.cumsum(0) > 1, 255.0), lambda f: f, [MISSING]),
        ("softmax", 3, SEVERAL.where(SEVERAL.cumsum(0) > 1, -1.0), lambda f: f, [SIGMOID, MISSING]),
        ("softmax", 3, SOME.where(CLASSES[:, None] > 0, torch.nan), lambda f: f, [MISSING_ROWS]),
        ("softmax", 3, SOME.where(CLASSES[:, None] > 0, -1.0), lambda f: f, [MISSING_ROWS]),
    ],
    ids=[
        "multi-label", "multi-label integers", "binary", "regression", "regression of vectors", "regression, logits",
        "labels from -1", "classes last", "sigmoid regression", "sigmoid classes", "sigmoid integers",
        "sigmoid shapes", "sigmoid multi-label integers", "missing NaN", "missing -1", "missing 255",
        "multi-label with missing", "distributions or NaN", "distributions or -1",
    ],
)  # fmt: skip
def test_everything_else_is_refused_with_its_cure(
    outputs: Outputs, width: int, target: Tensor, shape: object, cures: list[str]
) -> None:
    with pytest.raises(LossError) as caught:
        probe(outputs, width, target, shape)  # type: ignore[arg-type]
    for cure in cures:
        assert cure in caught.value.cure
    others = {SIGMOID, REGRESSION, MISSING, MISSING_ROWS} - set(cures)
    assert not any(other in caught.value.cure for other in others), "the right cure, and not the first of several"


@pytest.mark.parametrize(
    ("monitor", "refused"),
    [
        (Monitor("val_score"), True),
        (Monitor("val_score", worst=-0.5), True),
        (Monitor("val_score", worst=-2.0), False),
        (Monitor("val_score", "min"), False),
        (Monitor("val_score", "min", worst=-2.0), True),
    ],
)
def test_nothing_may_be_worse_than_a_diverged_training(monitor: Monitor, refused: bool) -> None:
    found = Probe(num_classes=2, num_heads=1, num_weights=1, model="", metrics={"val_score": -1.0})
    if not refused:
        require_worst(found, monitor)
        return
    with pytest.raises(SettingsError, match=r"-1 of the untrained model") as caught:
        require_worst(found, monitor)
    assert "worst_metric" in caught.value.cure


@pytest.mark.parametrize("trainer", [{"val_check_interval": 5}, {"val_check_interval": 0.25}])
def test_any_schedule_of_validations_can_be_probed(trainer: dict[str, object]) -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES), batch_size=2)
    task = python_task(lambda: Model(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1, **trainer})
    assert probe_task(task, Monitor("val_score")).num_classes == 3


@pytest.mark.parametrize(
    ("trainer", "got"),
    [
        ({"max_steps": 30}, "max_steps=30"),
        ({"max_epochs": 2, "max_steps": 30}, "max_steps=30"),
        ({"max_epochs": -1, "max_time": "00:00:01:00"}, "max_epochs=-1"),
        ({"max_epochs": 3, "check_val_every_n_epoch": 5}, "check_val_every_n_epoch=5"),
    ],
)
def test_trainings_that_cannot_be_lengthened_or_are_never_validated_are_refused(
    trainer: dict[str, object], got: str
) -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    with pytest.raises(SettingsError, match=got):
        max_epochs(python_task(lambda: Model(3, lambda f: f), data, {"accelerator": "cpu", **trainer}))


def test_the_length_of_a_training_is_the_trainers() -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    for trainer, epochs in (({"max_epochs": 3, "check_val_every_n_epoch": 2}, 3), ({}, 1)):
        task = python_task(lambda: Model(3, lambda f: f), data, {"accelerator": "cpu", **trainer})
        assert max_epochs(task) == epochs


class Logging(Model):
    """Logs its training loss, by a name of its own and by one that validation has, too."""

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log_dict({"train_loss": loss, "val_score": 1e9 + loss}, on_step=False, on_epoch=True)
        return loss


def test_a_metric_of_training_is_no_monitor() -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    task = python_task(lambda: Logging(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1})
    with pytest.raises(SettingsError, match=r"only \['val_score'\] \(train_loss is of training"):
        probe_task(task, Monitor("train_loss", "min"))


def test_a_score_is_of_validation_even_if_training_logs_by_the_same_name() -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    task = python_task(lambda: Logging(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 2})
    assert abs(probe_task(task, Monitor("val_score")).metrics["val_score"]) < 10.0
    (evaluation,) = TrainerEvaluator(task, Monitor("val_score")).evaluate([Run(CrossEntropyLoss(), 0)])
    assert abs(evaluation.metric) < 10.0


@pytest.mark.parametrize("call", [{"input": 0, "target": 1}, {"reduction": "none"}])
def test_a_loss_called_in_another_way_is_explained(call: dict[str, object]) -> None:
    class Odd(Model):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            both = [self.network(batch[0]), batch[1]]
            named = {name: both[value] if isinstance(value, int) else value for name, value in call.items()}
            return self.loss_fn(*both[: 0 if "input" in call else 2], **named)

    data = SameData(TensorDataset(INPUTS, CLASSES))
    task = python_task(lambda: Odd(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1})
    with pytest.raises(ModelError, match=r"calls its loss with logits and target.*self.loss_fn\(logits, target\)"):
        probe_task(task, Monitor("val_score"))


class Counting(Model):
    """Counts the batches that it trains and validates on; logs a metric that needs all of the validation data."""

    trained: ClassVar[int]
    validated: ClassVar[list[Tensor]]

    def __init__(self) -> None:
        super().__init__(3, lambda f: f)
        Counting.trained, Counting.validated = 0, []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        Counting.trained += 1
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.validated.append(batch[1])

    def on_validation_epoch_end(self) -> None:
        classes = torch.cat(self.validated).unique()
        if len(classes) < 3:
            raise ValueError("only some of the classes are present")
        self.log("val_score", 1.0)


class Warming(Counting):
    """Warms up for a quarter of all steps."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        warm = int(self.trainer.estimated_stepping_batches) // 4
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warm))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Cycling(Counting):
    """Cycles once through all steps."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Patient(Counting):
    """Waits for the validation metric to rise."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max")
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_score"}}


SORTED = TensorDataset(INPUTS, CLASSES.sort().values)


@pytest.mark.parametrize("model", [Counting, Warming, Cycling, Patient])
@pytest.mark.parametrize("batch_size", [2, 16], ids=["eight batches", "one batch"])
@pytest.mark.parametrize(
    "trainer",
    [
        {},
        {"min_epochs": 2},
        {"min_steps": 5},
        {"accumulate_grad_batches": 3},
        {"check_val_every_n_epoch": 2},
        {"check_val_every_n_epoch": None, "val_check_interval": 10},
        {"callbacks": [EarlyStopping("val_score", mode="max")]},
        {"num_sanity_val_steps": -1},
        {"max_epochs": -1, "max_steps": 40},
    ],
    ids=lambda settings: " ".join(settings) or "defaults",
)
def test_one_batch_trains_in_the_length_of_a_training_and_all_of_the_data_are_validated(
    model: type[Counting], batch_size: int, trainer: dict[str, Any]
) -> None:
    task = python_task(model, SameData(SORTED, batch_size), {"accelerator": "cpu", "max_epochs": 4, **trainer})
    assert probe_task(task, Monitor("val_score")).metrics["val_score"] == 1.0
    assert Counting.trained == 1
    assert len(Counting.validated) == 16 / batch_size * (2 if "num_sanity_val_steps" in trainer else 1)


def test_the_first_batch_with_labels_is_looked_at() -> None:
    class Masked(Model):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor | None:  # type: ignore[override]
            keep = batch[1] >= 0
            return None if batch_idx == 0 else self.loss_fn(self.network(batch[0])[keep], batch[1][keep])

    target = torch.where(torch.arange(16) < 8, -1, CLASSES)
    data = SameData(TensorDataset(INPUTS, target), batch_size=2, shuffle=False)
    task = python_task(lambda: Masked(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1})
    assert probe_task(task, Monitor("val_score")).num_classes == 3
    with pytest.raises(LossError, match="labels from 0 to 3"):
        probe_task(
            python_task(
                lambda: Masked(3, lambda f: f),
                SameData(TensorDataset(INPUTS, torch.where(target == 2, 3, target)), batch_size=2, shuffle=False),
                {"accelerator": "cpu", "max_epochs": 1},
            ),
            Monitor("val_score"),
        )


class Forked(Model):
    """Logs by names that Lightning changes, and by one that no logger sees."""

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_score", float(len(batch[0])), on_step=True, on_epoch=True)
        self.log("val_hidden", 1.0, logger=False)

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("test_score", float(len(batch[0])), on_step=True, on_epoch=True)
        self.log("test_hidden", 1.0, logger=False)


@pytest.mark.parametrize("monitor", ["val_score", "val_score_epoch", "val_hidden"])
def test_metrics_are_found_by_every_name_that_callbacks_know(monitor: str) -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    task = python_task(lambda: Forked(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1})
    value = 1.0 if "hidden" in monitor else 8.0
    assert probe_task(task, Monitor(monitor)).metrics[monitor] == value
    require_test(task, Monitor(monitor))
    for split in ("val", "test"):
        evaluator = TrainerEvaluator(task, Monitor(monitor), split=split)  # type: ignore[arg-type]
        assert evaluator.evaluate([Run(CrossEntropyLoss(), 0)])[0].metric == value


@pytest.mark.parametrize("monitor", ["train_loss", "train_loss_step", "train_loss_epoch"])
def test_a_metric_of_training_is_no_monitor_by_any_of_its_names(monitor: str) -> None:
    data = SameData(TensorDataset(INPUTS, CLASSES))
    task = python_task(lambda: Forked(3, lambda f: f), data, {"accelerator": "cpu", "max_epochs": 1})
    with pytest.raises(SettingsError, match=rf"\({monitor} is of training, and depends on the loss"):
        probe_task(task, Monitor(monitor, "min"))


@pytest.mark.parametrize(
    ("outputs", "width", "target", "shape", "layer"),
    [
        ("softmax", 3, CLASSES, lambda f: f.softmax(1), "softmax"),
        ("softmax", 3, CLASSES, lambda f: f.half().softmax(1), "softmax"),
        ("softmax", 3, MASKS, lambda f: as_image(f.softmax(1)), "softmax"),
        ("softmax", 3, CLASSES, lambda f: (f.softmax(1), f.softmax(1)), "softmax"),
        ("sigmoid", 3, SEVERAL, lambda f: f.sigmoid(), "sigmoid"),
        ("sigmoid", 1, SEVERAL[:, 0], lambda f: f.sigmoid().squeeze(-1), "sigmoid"),
        ("sigmoid", 1, SEVERAL[:, 0], lambda f: f.T.sigmoid().float().T.flatten(), "sigmoid"),
        ("sigmoid", 1, SEVERAL[:, :1, None, None].expand(-1, -1, 4, 4), lambda f: as_image(f.sigmoid()), "sigmoid"),
    ],
    ids=["rows", "half", "positions", "heads", "multi-label", "binary", "transposed", "masks"],
)
def test_probabilities_are_refused(
    outputs: Outputs, width: int, target: Tensor, shape: Callable[[Tensor], Tensor], layer: str
) -> None:
    with pytest.raises(LossError, match=f"probabilities.* the network's last {layer}"):
        probe(outputs, width, target, shape)


def test_logits_that_happen_to_look_like_probabilities_are_not_refused() -> None:
    assert probe("sigmoid", 3, SEVERAL, lambda f: f.sigmoid() * 1.0) == 2
    assert probe("softmax", 3, CLASSES, lambda f: f.sigmoid()) == 3
    assert probe("softmax", 3, CLASSES, lambda f: f.log_softmax(1)) == 3
