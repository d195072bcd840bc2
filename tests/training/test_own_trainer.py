"""A function that makes a Trainer is as good as the arguments of one, and every training has a Trainer of its own."""

import functools
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.placement import place
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import max_epochs, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import ToyData, ToyModel

MONITOR = Monitor("val_loss", "min")
SMALL: dict[str, Any] = {
    "generations": 2, "population_size": 4, "invariant": "none", "finalists": 1, "finalist_seeds": 1,
    "comparison_seeds": 2, "comparison_epochs": 3, "rival_budget": 0, "monitor": "val_loss", "mode": "min",
}  # fmt: skip


def make_trainer() -> Trainer:
    return Trainer(accelerator="cpu", max_epochs=2, gradient_clip_val=0.5)


ARGUMENTS: dict[str, Any] = {"accelerator": "cpu", "max_epochs": 2, "gradient_clip_val": 0.5}


def classifier() -> LightningModule:
    return Classifier(mlp(3, in_features=4))


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_a_search_finds_what_it_finds_with_the_arguments(
    evaluator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    search = functools.partial(LossSearch, **SMALL, evaluator=evaluator)
    by_arguments = search(output_dir="a").run(classifier, ToyData(), ARGUMENTS)
    by_function = search(output_dir="f").run(classifier, ToyData(), trainer=make_trainer)
    assert by_function.best_loss.to_dict() == by_arguments.best_loss.to_dict()
    assert by_function.comparison == by_arguments.comparison
    assert by_function.study.user_attrs["evaluator"] == evaluator
    assert by_function.train(3).trainer.max_epochs == 3
    assert {each.name for each in tmp_path.iterdir()} == {"a", "f"}, "no logs, no checkpoints of every training"
    again = search(output_dir="a", generations=3).run(classifier, ToyData(), make_trainer)
    assert len(again.study.trials) == 12, "the same search goes on by the other way to say it"


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
def test_what_the_function_changes_afterwards_holds(evaluator: Any) -> None:
    def limited() -> Trainer:
        trainer = make_trainer()
        trainer.limit_train_batches = 1
        return trainer

    limits = {**ARGUMENTS, "limit_train_batches": 1}
    metrics = [
        evaluator(python_task(classifier, ToyData(), trainer), MONITOR).evaluate([Run(CrossEntropyLoss(), 0)])[0].metric
        for trainer in (limited, limits, make_trainer)
    ]
    assert metrics[0] == metrics[1] != metrics[2]


class Counts(Callback):
    """Remembers the fits that it has seen, and whether ours stood before it."""

    fits: list["Counts"] = []  # noqa: RUF012

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.place = trainer.callbacks.index(self)  # type: ignore[attr-defined]
        Counts.fits.append(self)


def test_every_training_has_a_trainer_of_its_own_behind_callbacks_of_ours(tmp_path: Path) -> None:
    Counts.fits.clear()

    def make() -> Trainer:
        own = [Counts(), ModelCheckpoint(tmp_path / "kept")]
        return Trainer(
            max_epochs=1, accelerator="cpu", callbacks=own, logger=CSVLogger(tmp_path, "csv"), enable_checkpointing=None
        )

    task = python_task(ToyModel, ToyData(), make)
    TrainerEvaluator(task, MONITOR).evaluate([Run(CrossEntropyLoss(), seed) for seed in range(3)])
    assert len(set(Counts.fits)) == 3
    assert all(each.place > 0 for each in Counts.fits)
    assert len(list((tmp_path / "csv").iterdir())) == 3, "a logger that is asked for logs"
    assert list((tmp_path / "kept").iterdir()), "and so are checkpoints"
    assert PopulationEvaluator(task, MONITOR).obstacle() == "the Trainer has Counts"


class Remembers(Callback):
    """Knows how many fits it has seen; may hold what cannot be copied."""

    seen: list[int] = []  # noqa: RUF012

    def __init__(self, lock: Any = None) -> None:
        self.fits, self.lock = 0, lock

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.fits += 1
        Remembers.seen.append(self.fits)


def with_held(callback: Callback) -> dict[str, Callable[[], Trainer]]:
    """Return functions that give the same callback to all their Trainers."""
    held = [callback]
    quick: dict[str, Any] = {"max_epochs": 1, "accelerator": "cpu"}
    return {
        "partial": functools.partial(Trainer, callbacks=held, **quick),
        "list": lambda: Trainer(callbacks=held, **quick),
        "in a new list": lambda: Trainer(callbacks=[Remembers(threading.Lock()), callback], **quick),
        "by itself": lambda: Trainer(callbacks=callback, **quick),
    }


@pytest.mark.parametrize("way", with_held(Remembers()))
def test_callbacks_that_a_function_gives_to_all_trainers_are_new_in_each(way: str) -> None:
    Remembers.seen.clear()
    task = python_task(ToyModel, ToyData(), with_held(Remembers())[way])
    TrainerEvaluator(task, MONITOR).evaluate([Run(CrossEntropyLoss(), 0)] * 3)
    assert set(Remembers.seen) == {1}
    with pytest.raises(SettingsError, match=r"can be copied, one for each training.*Build them within a function"):
        python_task(ToyModel, ToyData(), with_held(Remembers(threading.Lock()))[way]).build_trainer([], {})


def test_settings_are_read_as_those_of_arguments(tmp_path: Path) -> None:
    task = python_task(ToyModel, ToyData(), make_trainer)
    assert task.description == python_task(ToyModel, ToyData(), ARGUMENTS).description
    assert max_epochs(task) == 2
    assert task.build_trainer([], {"max_epochs": 9}).max_epochs == 9
    again = pickle.loads(pickle.dumps(task.rebuild))()  # noqa: S301
    assert again.description == task.description, "it can be made again in another process"
    assert (
        max_epochs(python_task(ToyModel, ToyData(), functools.partial(Trainer, max_epochs=5, accelerator="cpu"))) == 5
    )
    findings = LossSearch(**SMALL, output_dir=tmp_path).check(ToyModel, ToyData(), make_trainer)
    assert findings.problems == ()
    assert "8 candidates of 2 epochs" in str(findings)


MADE = make_trainer()


def no_trainer() -> None:
    Trainer(max_epochs=1, accelerator="cpu", logger=False)


REFUSED: dict[str, tuple[Any, str]] = {
    "a Trainer": (MADE, r"got a Trainer. Pass them as a dict: {'max_epochs': 2}; or pass what makes it: lambda"),
    "the same again": (lambda: MADE, "got one that makes none. Build it in the function"),
    "nothing": (lambda: None, "got one that makes none"),
    "nothing returned": (no_trainer, "a function that returns a new Trainer of lightning.pytorch, got a NoneType"),
    "arguments": (lambda epochs: Trainer(max_epochs=epochs), "got one that needs epochs"),
}


@pytest.mark.parametrize(("trainer", "text"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_new_trainer_is_refused(trainer: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=text):
        LossSearch(**SMALL, output_dir=tmp_path).run(ToyModel, ToyData(), trainer)
    assert not list(tmp_path.glob("*.csv"))


def test_epochs_that_cannot_be_changed_are_refused(tmp_path: Path) -> None:
    def make() -> Trainer:
        trainer = Trainer(accelerator="cpu")
        trainer.fit_loop.max_epochs = 1
        return trainer

    with pytest.raises(SettingsError, match="set to 1 when it is built"):
        LossSearch(**SMALL, output_dir=tmp_path).run(ToyModel, ToyData(), make)


def test_a_trainer_that_cannot_be_built_here_is_refused() -> None:
    with pytest.raises(SettingsError, match="a Trainer that can be built on this machine"):
        place(python_task(ToyModel, ToyData(), lambda: Trainer(accelerator="nothing")))


def test_trainers_of_others_are_left_alone() -> None:
    build: Callable[..., None] = Trainer.__init__

    def fails() -> Trainer:
        raise ModelError("a", "b", "c")

    with pytest.raises(ModelError):
        python_task(ToyModel, ToyData(), fails)
    assert Trainer.__init__ is build
    assert Trainer(max_epochs=4, accelerator="cpu", logger=False).max_epochs == 4
