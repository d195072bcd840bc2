"""Every cure that the checks print is followed to the letter, and works."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from glo_lightning.errors import GloError
from glo_lightning.losses import baseline_loss
from glo_lightning.options import option, options_of
from glo_lightning.search import LossSearch
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.tasks import ProbedTask, probe_tasks
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.training.same_data import ThreeParts

INPUTS = torch.randn(96, 3, generator=torch.Generator().manual_seed(0))
CLASSES = (torch.arange(96) % 7).clamp(max=2)
YES = (INPUTS > 0).float()
REAL = INPUTS.sum(1, keepdim=True)
MAPS = CLASSES[:, None, None].repeat(1, 2, 2)


def some(target: Tensor, value: float) -> Tensor:
    """Labels of which every second is another value."""
    target = target.clone()
    target[::2] = value
    return target


def as_map(logits: Tensor) -> Tensor:
    return logits[:, :, None, None].expand(-1, -1, 2, 2)


class Model(LightningModule):
    """A user's model, whose steps are given as Python."""

    def __init__(self, project: "Project") -> None:
        super().__init__()
        self.project = project
        self.network = nn.Sequential(nn.Linear(3, project.outputs), *project.last)
        setattr(self, project.attribute, nn.Identity())

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        logits = self.network(batch[0])
        known = {"self": self, "torch": torch, "nn": nn, "target": batch[1], "logits": self.project.shape(logits)}
        exec(self.project.step, known)
        loss: Tensor = known["loss"]
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        for name, value in self.project.logs.items():
            self.log(name, value)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def half_and_quarters(project: "Project") -> LightningDataModule:
    return ThreeParts(TensorDataset(INPUTS, project.labels), 8)


@dataclass(frozen=True)
class Project:
    """What a user has written: all of it works, unless something is changed."""

    labels: Tensor = CLASSES
    outputs: int = 3
    last: tuple[nn.Module, ...] = ()
    shape: Callable[[Tensor], Tensor] = lambda logits: logits
    step: str = "loss = self.loss_fn(logits, target)"
    attribute: str = "loss_fn"
    logs: Mapping[str, float] = field(default_factory=lambda: {"val_accuracy": 0.5})
    model: Callable[["Project"], LightningModule] = Model
    data: Callable[["Project"], LightningDataModule] = half_and_quarters
    trainer: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=lambda: {"comparison_seeds": 0})

    def task(self) -> Task:
        return python_task(lambda: self.model(self), self.data(self), {"accelerator": "cpu", **self.trainer})

    def check(self) -> ProbedTask:
        (probed,) = probe_tasks(LossSearch(storage="memory", **self.settings), {"": self.task()})
        return probed

    def train(self) -> None:
        """Do what a search does: check everything, train, and test if it would."""
        probed, settings = self.check(), LossSearch(storage="memory", **self.settings)
        run = Run(baseline_loss(settings.outputs), 0)
        for split in ("val", "test") if settings.comparison_seeds else ("val",):
            evaluator = TrainerEvaluator(
                probed.task,
                task_monitor(settings),
                settings.loss_attribute,
                probed.epochs,
                split,  # type: ignore[arg-type]
            )
            (evaluation,) = evaluator.evaluate([run])
            assert evaluation.status is Status.COMPLETED, evaluation.reason


COMPARED = {"comparison_seeds": 2}


@dataclass(frozen=True)
class Case:
    """A project that is refused; the words of the cure that were followed; and what became of it."""

    broken: Mapping[str, Any]
    words: tuple[str, ...]
    mended: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)  # that the cure names, with these values


KEEP = "keep = (target >= 0) & (target < 3)"
KEEP_YES = "keep = (target >= 0) & (target <= 1)"
KEEP_ROWS = "keep = ((target >= 0) & (target <= 1)).all(1)"
SIGMOID = {"outputs": "sigmoid"}
NUMBERS = {"outputs": "real"}


def unvalidated(project: Project) -> LightningDataModule:
    data = LightningDataModule()
    data.train_dataloader = half_and_quarters(project).train_dataloader  # type: ignore[method-assign]
    return data


class Loaders(LightningDataModule):
    """Serves loaders that a user's functions return."""

    def __init__(self, project: Project, **changed: Callable[[], Any]) -> None:
        super().__init__()
        parts = half_and_quarters(project)
        self.parts = {name: getattr(parts, f"{name}_dataloader") for name in ("train", "val", "test")} | changed

    def train_dataloader(self) -> Any:
        return self.parts["train"]()

    def val_dataloader(self) -> Any:
        return self.parts["val"]()

    def test_dataloader(self) -> Any:
        return self.parts["test"]()


class Split(LightningDataModule):
    """Splits the data as a user's code says, in setup."""

    def __init__(self, project: Project, code: str) -> None:
        super().__init__()
        self.all, self.code = TensorDataset(INPUTS, project.labels), code

    def setup(self, stage: str) -> None:
        known = {"random_split": random_split, "torch": torch, "data": self.all, "lengths": [48, 24, 24]}
        self.parts = eval(self.code, known)  # noqa: S307  (as a user would write it)

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.parts[0], 8)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.parts[1], 8)


def measuring(log: str | None) -> Callable[[Project], LightningModule]:
    """Return a model with a test_step that logs a metric, or without one."""

    class Tested(Model):
        def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.log(str(log), 0.5)

    return Model if log is None else Tested


def untested(project: Project) -> LightningDataModule:
    data = Loaders(project)
    return type("Untested", (LightningDataModule,), {
        "train_dataloader": lambda self: data.train_dataloader(), "val_dataloader": lambda self: data.val_dataloader(),
    })()  # fmt: skip


def short(samples: int, batch_size: int) -> Callable[[], DataLoader[Any]]:
    return lambda: DataLoader(TensorDataset(-INPUTS[:samples], CLASSES[:samples]), batch_size, drop_last=True)


REPEATED = "random_split(data, lengths, generator=torch.Generator().manual_seed(0))"
NETWORK = nn.Linear(3, 3)


class Shared(Model):
    """Uses a network that was made before."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.network = nn.Sequential(NETWORK)


CASES: dict[str, Case] = {
    # labels
    "several labels": Case({"labels": YES}, ("floating labels of that shape",), {}, SIGMOID),
    "several labels, integers": Case(
        {"labels": YES.long()}, ("floating labels of that shape",), {"labels": YES}, SIGMOID
    ),
    "one yes or no": Case({"labels": YES[:, :1], "outputs": 1}, ("a logit each",), {}, SIGMOID),
    "regression": Case(
        {"labels": REAL, "outputs": 1}, ("to predict numbers",), {}, {"outputs": "real"},
    ),
    "regression, no dimension of classes": Case(
        {"labels": REAL[:, 0]}, ("for real values set outputs=real",),
        {"labels": REAL, "outputs": 1, "settings": {**NUMBERS, "comparison_seeds": 0}},
    ),
    "predictions with a dimension more": Case(
        {"labels": REAL[:, 0], "outputs": 1, "settings": {**NUMBERS, "comparison_seeds": 0}},
        ("target.view_as(prediction)",), {"step": "loss = self.loss_fn(logits, target.view_as(logits))"},
    ),
    "more predictions than targets": Case(
        {"labels": REAL, "settings": {**NUMBERS, "comparison_seeds": 0}},
        ("one output for each number in a target",), {"outputs": 1},
    ),
    "integers to predict": Case(
        {"labels": CLASSES[:, None], "outputs": 1, "settings": {**NUMBERS, "comparison_seeds": 0}},
        ("target.float()",), {"labels": CLASSES[:, None].float()},
    ),
    "classes as numbers": Case(
        {"settings": {**NUMBERS, "comparison_seeds": 0}}, ("For class indices leave",),
        {"settings": {"comparison_seeds": 0}},
    ),
    "missing targets": Case(
        {"labels": some(REAL, torch.nan), "outputs": 1, "settings": {**NUMBERS, "comparison_seeds": 0}},
        ("keep = target.isfinite()",), {"labels": REAL},
    ),
    "targets that are all the same": Case(
        {"labels": torch.ones_like(REAL), "outputs": 1, "settings": {**NUMBERS, "comparison_seeds": 0}},
        ("there is nothing to predict",), {"labels": REAL},
    ),
    "missing NaN": Case(
        {"labels": some(YES, torch.nan), "settings": {**SIGMOID, "comparison_seeds": 0}},
        (KEEP_YES, "logits[keep]", "target[keep]"),
        {"step": f"{KEEP_YES}\nloss = self.loss_fn(logits[keep], target[keep])"},
    ),
    "missing -1": Case(
        {"labels": some(YES, -1.0), "settings": {**SIGMOID, "comparison_seeds": 0}},
        (KEEP_YES, "logits[keep]", "target[keep]"),
        {"step": f"{KEEP_YES}\nloss = self.loss_fn(logits[keep], target[keep])"},
    ),
    "several labels with missing ones": Case(
        {"labels": some(YES, -1.0)}, (KEEP_YES, "logits[keep]", "target[keep]"),
        {"step": f"{KEEP_YES}\nloss = self.loss_fn(logits[keep], target[keep])"}, SIGMOID,
    ),
    "distributions with missing ones": Case(
        {"labels": some(YES.softmax(1), -1.0)},
        (KEEP_ROWS, "logits.movedim(1, -1)[keep]", "target.movedim(1, -1)[keep]"),
        {"step": f"{KEEP_ROWS}\nloss = self.loss_fn(logits.movedim(1, -1)[keep], target.movedim(1, -1)[keep])"},
    ),
    **{
        f"void {void}": Case(
            {"labels": some(MAPS, void), "shape": as_map}, (KEEP, "logits.movedim(1, -1)[keep]", "target[keep]"),
            {"step": f"{KEEP}\nloss = self.loss_fn(logits.movedim(1, -1)[keep], target[keep])"},
        )
        for void in (-100, -1, 255)
    },
    "too few outputs": Case({"outputs": 2}, ("one output per class",), {"outputs": 3}),
    "classes last": Case(
        {"labels": MAPS, "shape": lambda logits: as_map(logits).movedim(1, -1)}, ("logits.movedim(-1, 1)",),
        {"step": "loss = self.loss_fn(logits.movedim(-1, 1), target)"},
    ),
    "floating classes": Case(
        {"labels": CLASSES.float()}, (".long()",), {"step": "loss = self.loss_fn(logits, target.long())"}
    ),
    "sigmoid classes": Case(
        {"settings": {**SIGMOID, "comparison_seeds": 0}}, ("For one class per sample leave",),
        {"settings": {"comparison_seeds": 0}},
    ),
    "sigmoid integers": Case(
        {"labels": YES[:, 0].long(), "outputs": 1, "settings": {**SIGMOID, "comparison_seeds": 0}},
        ("target.float().view_as(logits)",), {"step": "loss = self.loss_fn(logits, target.float().view_as(logits))"},
    ),
    "sigmoid shapes": Case(
        {"labels": YES[:, 0], "outputs": 1, "settings": {**SIGMOID, "comparison_seeds": 0}},
        ("target.unsqueeze(-1)",), {"step": "loss = self.loss_fn(logits, target.unsqueeze(-1))"},
    ),
    "sigmoid types": Case(
        {"labels": YES.long(), "settings": {**SIGMOID, "comparison_seeds": 0}},
        ("target.float()",), {"step": "loss = self.loss_fn(logits, target.float())"},
    ),
    # the model
    "softmax": Case({"last": (nn.Softmax(1),)}, ("what goes into the network's last softmax",), {"last": ()}),
    "sigmoid": Case(
        {"last": (nn.Sigmoid(),), "labels": YES, "settings": {**SIGMOID, "comparison_seeds": 0}},
        ("what goes into the network's last sigmoid",), {"last": ()},
    ),
    "keywords": Case(
        {"step": "loss = self.loss_fn(input=logits, target=target)"}, ("self.loss_fn(logits, target)",),
        {"step": "loss = self.loss_fn(logits, target)"},
    ),
    "more arguments": Case(
        {"step": "loss = self.loss_fn(logits, target, reduction='sum')"}, ("self.loss_fn(logits, target)",),
        {"step": "loss = self.loss_fn(logits, target)"},
    ),
    "another attribute": Case(
        {"attribute": "criterion", "step": "loss = self.criterion(logits, target)"}, ("candidates: criterion.",), {},
        {"loss_attribute": "criterion"},
    ),
    "a loss elsewhere": Case(
        {"step": "loss = nn.functional.cross_entropy(logits, target)"}, ("through that attribute",),
        {"step": "loss = self.loss_fn(logits, target)"},
    ),
    "shared weights": Case({"model": Shared}, ("Build all of the model in the function",), {"model": Model}),
    # metrics
    "another metric": Case({"logs": {"val_f1": 0.5}}, ("choose another",), {}, {"monitor": "val_f1"}),
    "no metric": Case({"logs": {}}, ("Log it in validation_step with self.log",), {"logs": {"val_accuracy": 0.5}}),
    "a metric below zero": Case({"logs": {"val_accuracy": -5.0}}, ("to the worst the metric can be",), {}, {
        "worst_metric": -9.0
    }),
    # the Trainer
    "fast_dev_run": Case(
        {"trainer": {"fast_dev_run": True}}, ("limit_train_batches=1, limit_val_batches=1, max_epochs=1",),
        {"trainer": {"limit_train_batches": 1, "limit_val_batches": 1, "max_epochs": 1}},
    ),
    "max_steps": Case({"trainer": {"max_steps": 3}}, ("Set max_epochs alone",), {"trainer": {"max_epochs": 1}}),
    "endless": Case({"trainer": {"max_epochs": -1}}, ("Set max_epochs alone",), {"trainer": {"max_epochs": 1}}),
    "no validation": Case(
        {"trainer": {"max_epochs": 1, "check_val_every_n_epoch": 3}}, ("raise max_epochs",),
        {"trainer": {"max_epochs": 3, "check_val_every_n_epoch": 3}},
    ),
    **{
        f"no batches of {split}": Case(
            {"trainer": {f"limit_{split}_batches": 0}, "settings": COMPARED},
            (f"Leave limit_{split}_batches of the Trainer out",), {"trainer": {}},
        )
        for split in ("train", "val", "test")
    },
    # data
    **{
        f"too few samples of {split}": Case(
            {"data": lambda project, split=split: Loaders(project, **{split: short(7, 8)}), "settings": COMPARED},
            ("no fewer than batch_size",),
            {"data": lambda project, split=split: Loaders(project, **{split: short(8, 8)})},
        )
        for split in ("train", "val", "test")
    },
    "no val_dataloader": Case({"data": unvalidated}, ("serve them by val_dataloader",), {"data": half_and_quarters}),
    "a split drawn anew": Case(
        {"data": lambda project: Split(project, "random_split(data, lengths)")}, (REPEATED,),
        {"data": lambda project: Split(project, REPEATED)},
    ),
    "no split": Case(
        {"data": lambda project: Split(project, "[data, data]")}, ("random_split(data, lengths)",),
        {"data": lambda project: Split(project, REPEATED)},
    ),
    # the test split
    "no test_dataloader": Case(
        {"data": untested, "settings": COMPARED}, ("Add one",), {"data": half_and_quarters}
    ),
    "no test_dataloader, and none wanted": Case(
        {"data": untested, "settings": COMPARED}, ("or do without",), {}, {"comparison_seeds": 0}
    ),
    "another metric of tests": Case(
        {"model": measuring("test_f1"), "settings": COMPARED}, ("Log there what validation_step logs",),
        {"model": measuring("test_accuracy")},
    ),
    "another metric of tests, which are left out": Case(
        {"model": measuring("test_f1"), "settings": COMPARED}, ("or leave test_step out",), {"model": measuring(None)}
    ),
    "several loaders to test on": Case(
        {"data": lambda project: Loaders(project, test=lambda: [short(8, 8)()] * 2), "settings": COMPARED},
        ("Serve one loader there",), {"data": lambda project: Loaders(project, test=short(8, 8))},
    ),
}  # fmt: skip


def project_of(changes: Mapping[str, Any]) -> Project:
    return replace(Project(trainer={"max_epochs": 1}), **changes)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.filterwarnings("ignore")
def test_a_cure_that_is_followed_works(case: Case) -> None:
    broken = project_of(case.broken)
    for section in ("", "search"):
        with options_of(section), pytest.raises(GloError) as caught:
            broken.train()
        cure = caught.value.cure
        for words in (*case.words, *(option_in(section, name, value) for name, value in case.settings.items())):
            assert words in cure
        assert section or "--" not in cure, "in Python, nobody is told an option of the command line"
    settings = {**case.mended.get("settings", broken.settings), **case.settings}
    trainer = {"max_epochs": 1, **case.mended.get("trainer", broken.trainer)}
    project_of({**case.broken, **case.mended, "settings": settings, "trainer": trainer}).train()


FREE = {"monitor", "worst_metric"}
"""Settings of which a cure says that they are to be set, and not to what."""


def option_in(section: str, name: str, value: Any) -> str:
    with options_of(section):
        return option(name) if name in FREE else option(name, value)


def test_the_cases_stand_apart_from_a_project_that_works() -> None:
    project_of({}).train()
    project_of({"settings": COMPARED}).train()
