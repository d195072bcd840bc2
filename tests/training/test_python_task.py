"""A task of Python objects: every training on its own, and the same words for it in every process."""

import subprocess
import sys
import threading
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, max_epochs, python_task
from glo_lightning.training.trainer import TrainerEvaluator


def _task(data: LightningDataModule | None = None, **trainer: Any) -> Task:
    settings = {"accelerator": "cpu", "max_epochs": 2, **trainer}
    return python_task(lambda: Classifier(mlp(hidden=(8,))), data or DigitsDataModule(), settings)


class Remembering(EarlyStopping):
    """Stops before a second epoch, and has seen no other training when one begins."""

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        assert self.wait_count == 0
        assert self.stopped_epoch == 0
        assert not self.best_score.isfinite()


def test_no_training_knows_what_callbacks_remember_of_another() -> None:
    callback = Remembering("val_accuracy", mode="max", patience=1, stopping_threshold=0.0)
    runs = [Run(CrossEntropyLoss(), 3)] * 3
    first, *others = TrainerEvaluator(_task(callbacks=[callback], max_epochs=9), Monitor()).evaluate(runs)
    assert first.reason == ""
    assert first.epoch == 0
    assert {(other.metric, other.epoch) for other in others} == {(first.metric, 0)}


def test_every_training_logs_into_a_folder_of_its_own(tmp_path: Any) -> None:
    task = _task(logger=CSVLogger(tmp_path))
    TrainerEvaluator(task, Monitor()).evaluate([Run(CrossEntropyLoss(), seed) for seed in range(2)])
    assert len(list(tmp_path.rglob("metrics.csv"))) == 2


def test_callbacks_are_told_apart_by_what_they_are_and_not_by_where_they_lie() -> None:
    patient, another, impatient = (
        _task(callbacks=[EarlyStopping("val_accuracy", patience=patience)]).description for patience in (2, 2, 5)
    )
    assert patient == another != impatient
    assert "patience=2" in patient["trainer"]["callbacks"]
    assert " at 0x" not in str(patient)


def test_a_description_is_the_same_in_another_process() -> None:
    code = "from tests.training.test_python_task import show; show()"
    shown = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert shown[0].stdout == shown[1].stdout != ""


def show() -> None:
    print(_task(callbacks=EarlyStopping("val_accuracy"), plugins=[object()]).description)  # noqa: T201


def test_data_modules_are_told_apart_by_the_hyperparameters_they_save() -> None:
    class Data(DigitsDataModule):
        def __init__(self, noise: float = 0.0) -> None:
            super().__init__()
            self.save_hyperparameters()

    assert _task(Data(0.1)).description == _task(Data(0.1)).description != _task(Data(0.2)).description
    assert _task(DigitsDataModule()).description["data"] == "DigitsDataModule"


def test_checkpoints_are_enabled_by_a_callback_that_saves_them(tmp_path: Any) -> None:
    task = _task(callbacks=ModelCheckpoint(tmp_path, monitor="val_accuracy"))
    TrainerEvaluator(task, Monitor()).evaluate([Run(CrossEntropyLoss(), 0)])
    assert len(list(tmp_path.glob("*.ckpt"))) == 1
    assert _task().build_trainer([], {}).checkpoint_callback is None


def test_what_cannot_be_copied_is_named() -> None:
    class Locked(Callback):
        def __init__(self) -> None:
            self.lock = threading.Lock()

    with pytest.raises(SettingsError, match=r"callbacks of the Trainer that can be copied"):
        _task(callbacks=[Locked()]).build_trainer([], {})


def test_a_compiled_module_is_trained_as_the_trainer_takes_it() -> None:
    task = python_task(lambda: torch.compile(Classifier(mlp(hidden=(8,)))), DigitsDataModule())
    built = task.build_model()
    assert isinstance(built, Classifier)
    assert built._compiler_ctx is not None


def test_fast_dev_run_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="fast_dev_run"):
        max_epochs(_task(fast_dev_run=True))
