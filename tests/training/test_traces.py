"""A search, a comparison and a training leave the process as they found it, whether they end well or not."""

import io
import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from glo_lightning.compare.settings import CompareSettings
from glo_lightning.compare.trainings import run_comparison
from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import MeanSquaredErrorLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.train.settings import TrainSettings
from glo_lightning.train.training import train_fully
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.traces import LOGGERS, VARIABLES, no_trace

SMALL: dict[str, Any] = {
    "generations": 1, "population_size": 4, "invariant": "none", "finalists": 1, "finalist_seeds": 1,
    "comparison_seeds": 0, "verbosity": "quiet", "threads": 2,
}  # fmt: skip


class Failing(Classifier):
    """Trains on one batch, and no more."""

    def on_train_epoch_end(self) -> None:
        raise RuntimeError("no more")


def task_of(data: DigitsDataModule, kind: type[Classifier]) -> Task:
    trainer = {"accelerator": "cpu", "max_epochs": 1, "deterministic": True, "limit_train_batches": 2}
    return python_task(lambda: kind(mlp(hidden=(4,))), data, trainer)


def search(data: DigitsDataModule, kind: type[Classifier], folder: Path, evaluator: str = "trainer") -> None:
    settings = LossSearch(**SMALL, storage="memory", output_dir=folder, evaluator=evaluator)  # type: ignore[arg-type]
    trainer = {"accelerator": "cpu", "max_epochs": 1, "deterministic": True, "limit_train_batches": 2}
    settings.run(lambda: kind(mlp(hidden=(4,))), data, trainer)


def search_together(data: DigitsDataModule, kind: type[Classifier], folder: Path) -> None:
    search(data, kind, folder, "population")


def compare(data: DigitsDataModule, kind: type[Classifier], folder: Path) -> None:
    settings = CompareSettings(losses=("mse",), seeds=2, evaluator="trainer")
    tasks = {None: lambda: task_of(data, kind)}
    run_comparison(settings, {"mse": MeanSquaredErrorLoss()}, tasks, folder / "study.db", Console(file=io.StringIO()))


def train(data: DigitsDataModule, kind: type[Classifier], folder: Path) -> None:
    train_fully(task_of(data, kind), MeanSquaredErrorLoss(), TrainSettings(), folder)


def state(data: DigitsDataModule) -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "variables": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cudnn": (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
        "warnings": list(warnings.filters),
        "levels": [logging.getLogger(name).level for name in LOGGERS],
        "seed": data.seed,
    }


@pytest.fixture
def _set_by_the_user(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set everything as no training would."""
    with no_trace():
        monkeypatch.setenv("PL_GLOBAL_SEED", "7")
        monkeypatch.delenv("PL_SEED_WORKERS", raising=False)
        random.seed(7)
        np.random.seed(7)
        torch.manual_seed(7)
        torch.backends.cudnn.deterministic = True
        logging.getLogger("lightning.pytorch").setLevel(logging.DEBUG)
        warnings.filterwarnings("ignore", "nothing in particular")
        yield


def changes(door: Callable[..., None], kind: type[Classifier], folder: Path) -> set[str]:
    data = DigitsDataModule(seed=5)
    before, ended_well = state(data), True
    with suppress(Exception):
        ended_well = False
        door(data, kind, folder)
        ended_well = True
    assert ended_well == (kind is Classifier)
    after = state(data)
    return {name for name, value in before.items() if after[name] != value}


@pytest.mark.parametrize("kind", [Classifier, Failing], ids=["ends well", "fails"])
@pytest.mark.parametrize("door", [search, search_together, compare, train])
@pytest.mark.usefixtures("_set_by_the_user")
def test_everything_is_as_before(door: Callable[..., None], kind: type[Classifier], tmp_path: Path) -> None:
    assert changes(door, kind, tmp_path) == set()


def test_what_nobody_set_is_not_set_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert changes(train, Classifier, tmp_path) == set()
