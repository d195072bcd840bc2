"""Whatever a user switches on in Lightning, at both doors, with the callback alone and in both kinds of search.

Every combination has the metric of a module that owns the loss and is trained by Lightning alone, or is refused before
anything trains.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from glo_lightning.callbacks import LossInjection
from glo_lightning.cli.main import main
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import SettingsError
from glo_lightning.losses import MeanSquaredErrorLoss
from glo_lightning.search import LossSearch
from glo_lightning.search.command import SEARCH
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.tasks import probe_tasks
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import LEAN_TRAINER, Task, python_task, quiet_lightning
from tests.combinations import project

TRAINER = {"accelerator": "cpu", "max_epochs": 2}
"""Two epochs of two batches."""


@dataclass(frozen=True)
class Feature:
    """Something a user may switch on.

    Args:
        calls: of the candidate in a training: once for each batch; None where nobody can count.
        trainer: arguments of the Trainer, as a configuration file has them.
        population: why a population leaves it to the Trainer; empty if it does not.
        refused: by a search, with this.
        model: class in the project.
        data: class in the project.
        tolerance: of the metric in a population.
        changes: whether it changes what comes of a training.
    """

    calls: int | None = 4
    trainer: dict[str, Any] = field(default_factory=dict)
    population: str = ""
    refused: str = ""
    model: str = "Plain"
    data: str = "Data"
    tolerance: float = 1e-5
    changes: bool = True


def callback(name: str, **arguments: Any) -> dict[str, Any]:
    return {"callbacks": [{"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": arguments}]}


FEATURES = {
    "nothing": Feature(changes=False),
    "gradient accumulation": Feature(trainer={"accumulate_grad_batches": 2}, population="accumulate_grad_batches=2"),
    "scheduled accumulation": Feature(
        trainer=callback("GradientAccumulationScheduler", scheduling={0: 2, 1: 1}),
        population="GradientAccumulationScheduler",
    ),
    "per-step schedule": Feature(model="PerStepSchedule", population="configure_optimizers of its own"),
    "LearningRateFinder": Feature(
        14 + 16, {**callback("LearningRateFinder", num_training_steps=14, min_lr=0.01), "max_epochs": 1},
        "LearningRateFinder", data="SmallBatches",
    ),
    # It tries one batch of 8 examples, of which an epoch then has four.
    "BatchSizeFinder": Feature(
        1 + 8, callback("BatchSizeFinder", init_val=8, max_trials=1, steps_per_trial=1), "BatchSizeFinder"
    ),
    "SWA": Feature(
        trainer=callback("StochasticWeightAveraging", swa_lrs=0.5, swa_epoch_start=1),
        population="StochasticWeightAveraging",
    ),
    "EMA with delayed start": Feature(
        trainer=callback("EMAWeightAveraging", decay=0.5, update_starting_at_step=2), population="EMAWeightAveraging"
    ),
    "EarlyStopping": Feature(
        2, callback("EarlyStopping", monitor="val_loss", stopping_threshold=1e9), population="EarlyStopping"
    ),
    "ModelCheckpoint": Feature(
        trainer=callback("ModelCheckpoint", monitor="val_loss", dirpath="kept"), population="ModelCheckpoint",
        changes=False,
    ),
    "bf16 autocast": Feature(trainer={"precision": "bf16-mixed"}, tolerance=1e-2),
    "gradient clipping": Feature(trainer={"gradient_clip_val": 0.01}),
    "clipping by value": Feature(trainer={"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"}),
    "torch.compile": Feature(None, model="Compiled", population="of its own", changes=False),
    "check_val_every_n_epoch": Feature(trainer={"check_val_every_n_epoch": 2}, changes=False),
    "an epoch after the last validation": Feature(
        6, {"check_val_every_n_epoch": 2, "max_epochs": 3}, "does not validate after the last epoch"
    ),
    "val_check_interval": Feature(
        trainer={"val_check_interval": 0.5}, population="val_check_interval=0.5", changes=False
    ),
    "max_steps": Feature(3, {"max_steps": 3}, refused="max_steps=3. Set max_epochs alone"),
    "several optimizers": Feature(model="TwoOptimizers", population="of its own"),
    "manual optimization": Feature(model="ByHand", population="of its own"),
    "several validation loaders": Feature(
        model="SeveralLoaders", data="TwoValidationLoaders", population="validation_step of its own", changes=False
    ),
}  # fmt: skip


class Candidate(MeanSquaredErrorLoss):
    """Counts its calls."""

    family = "test_combinations"

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(logits, target)


def built(value: Any) -> Any:
    """Build what a configuration file describes."""
    if isinstance(value, list):
        return [built(each) for each in value]
    if not (isinstance(value, dict) and "class_path" in value):
        return value
    module, _, name = value["class_path"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**value["init_args"])


@dataclass(frozen=True)
class Door:
    """What a search and a training start from.

    Args:
        settings: of the search, but for the evaluator.
        task: what is trained.
    """

    settings: Callable[[str], SearchSettings]
    task: Callable[[], Task]


def python(feature: Feature, trainer: dict[str, Any]) -> Door:
    model, data = getattr(project, feature.model), getattr(project, feature.data)
    arguments = {name: built(value) for name, value in trainer.items()}
    return Door(
        lambda evaluator: SearchSettings(monitor="val_loss", mode="min", evaluator=evaluator),  # type: ignore[arg-type]
        lambda: python_task(model, data(), arguments),
    )


def trainer_options(trainer: dict[str, Any]) -> list[str]:
    texts = {name: json.dumps(value) if name == "callbacks" else value for name, value in trainer.items()}
    return [f"--trainer.{name}={text}" for name, text in texts.items()]


def command_line(feature: Feature, trainer: dict[str, Any]) -> Door:
    where = f"{project.__name__}."
    words = ["--search.monitor=val_loss", "--search.mode=min", f"--model={where}{feature.model}"]
    words += [f"--data={where}{feature.data}", *trainer_options(trainer)]
    return Door(
        lambda evaluator: TaskCLI(SEARCH, [*words, f"--search.evaluator={evaluator}"]).settings(),
        lambda: TaskCLI(SEARCH, words).task(),
    )


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    # For the sake of a GPU's memory, and for seconds.
    monkeypatch.setattr("lightning.pytorch.tuner.batch_size_scaling.garbage_collection_cuda", lambda: None)
    torch.ones((), requires_grad=True).backward()  # before anything is compiled, for the sake of tests that fork
    with quiet_lightning():
        yield


@cache
def expected(feature_name: str) -> float:
    """The metric of a module that owns the loss, after Lightning has trained it."""
    feature = FEATURES[feature_name]
    seed_everything(0, workers=True, verbose=False)
    model, data = getattr(project, feature.model)(), getattr(project, feature.data)()
    model.loss_fn, data.seed = MeanSquaredErrorLoss(), 0
    arguments = {name: built(value) for name, value in feature.trainer.items()}
    checkpoints = {"enable_checkpointing": feature_name == "ModelCheckpoint"}
    trainer = Trainer(**{**LEAN_TRAINER, **TRAINER, **checkpoints, **arguments})
    return validated(trainer, model, data)


def validated(trainer: Trainer, model: Any, data: Any) -> float:
    trainer.fit(model, data)
    trainer.validate(model, data, verbose=False)
    return float(trainer.callback_metrics["val_loss"])


doors = pytest.mark.parametrize("door", [python, command_line])
features = pytest.mark.parametrize("name", FEATURES)


def opened(door: Callable[..., Door], name: str) -> Door:
    return door(FEATURES[name], {**TRAINER, **FEATURES[name].trainer})


@features
def test_what_is_switched_on_makes_a_difference(name: str) -> None:
    assert (expected(name) != pytest.approx(expected("nothing"), rel=1e-6)) == FEATURES[name].changes


@doors
@features
def test_the_callback_alone(door: Callable[..., Door], name: str) -> None:
    candidate, task = Candidate(), opened(door, name).task()
    trainer = task.build_trainer([LossInjection(candidate)], {})
    seed_everything(0, workers=True, verbose=False)
    task.datamodule.seed = 0  # type: ignore[attr-defined]
    assert validated(trainer, task.build_model(), task.datamodule) == pytest.approx(expected(name), rel=1e-5)
    assert FEATURES[name].calls in (None, candidate.calls)


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
@doors
@features
def test_a_search(door: Callable[..., Door], name: str, evaluator: str) -> None:
    feature, candidate, said = FEATURES[name], Candidate(), []
    start = opened(door, name)
    settings = start.settings(evaluator)
    if feature.refused:
        with pytest.raises(SettingsError) as caught:
            probe_tasks(settings, {"": start.task()})
        assert feature.refused in str(caught.value)
        return
    evaluators = EvaluatorFactory(settings, probe_tasks(settings, {"": start.task()}))
    evaluators.prepare(optuna.create_study(), said.append)
    (evaluation,) = evaluators.make().evaluate([Run(candidate, 0)])
    assert evaluation.status is Status.COMPLETED
    together = evaluator == "population" and not feature.population
    assert evaluators.way == ("population" if together else "trainer")
    assert evaluation.metric == pytest.approx(expected(name), rel=feature.tolerance if together else 1e-5)
    if not together:
        assert feature.calls in (None, candidate.calls)
    assert (feature.population in "".join(said)) or evaluator == "trainer"


SEVERAL = {
    "accumulate_grad_batches": 2,
    "gradient_clip_val": 0.5,
    "callbacks": [
        *callback("EMAWeightAveraging", decay=0.5, update_starting_at_step=1)["callbacks"],
        *callback("ModelCheckpoint", monitor="val_loss", dirpath="kept")["callbacks"],
    ],
}


def test_both_doors_lead_to_the_same_search_and_verdict() -> None:
    """With many features at once."""
    words = {"generations": 1, "population_size": 4, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 2}
    words |= {"comparison_epochs": 2}
    arguments = {name: built(value) for name, value in {**TRAINER, **SEVERAL}.items()}
    search = LossSearch(**words, monitor="val_loss", mode="min", output_dir="python")  # type: ignore[arg-type]
    result = search.run(project.Plain, project.Data(), arguments)
    options = [f"--search.{name}={value}" for name, value in words.items()]
    options += ["--search.monitor=val_loss", "--search.mode=min", "--search.output_dir=command_line"]
    options += [f"--model={project.__name__}.Plain", f"--data={project.__name__}.Data"]
    assert main(["search", *options, *trainer_options({**TRAINER, **SEVERAL})]) == 0
    found, again = (json.loads(Path(folder, "comparison.json").read_text()) for folder in ("python", "command_line"))
    assert found == again
    trials = [pd.read_csv(Path(folder, "trials.csv")) for folder in ("python", "command_line")]
    pd.testing.assert_series_equal(trials[0]["metric"], trials[1]["metric"], check_exact=True)
    assert result.comparison is not None
