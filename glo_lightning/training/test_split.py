"""Measure a trained model on the test split."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from glo_lightning.errors import GloError, ModelError, SettingsError
from glo_lightning.options import section
from glo_lightning.training.checks.loaders import PLACE
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.measured import measured
from glo_lightning.training.monitor import Monitor, name_on_test
from glo_lightning.training.monitored_trainer import build_trainer
from glo_lightning.training.task import Task, quiet_lightning

_WITHOUT = {
    "": ", or do without: comparison_seeds=0 of a search, test=False of a training",
    "search": ", or do without: --search.comparison_seeds=0",
    "train": ", or do without: --train.test=false",
}
"""What each verb does without a test split; a comparison is of nothing else."""


def score_on_test(trainer: Trainer, model: LightningModule, task: Task, monitor: str) -> float:
    """Return the monitored metric on the test split.

    Args:
        trainer: the Trainer that fitted the model.
        model: the trained model.
        task: the task whose data module has a ``test_dataloader``.
        monitor: the validation metric's name.

    Raises:
        SettingsError: if the test does not measure it.
    """
    return _find(measure_on_test(trainer, model, task), monitor)


def measure_on_test(trainer: Trainer, model: LightningModule, task: Task) -> dict[str, float]:
    """Measure a trained model on the test split.

    Args:
        trainer: the Trainer that fitted the model.
        model: the trained model.
        task: the task whose data module has a ``test_dataloader``.

    Returns:
        What the model's ``test_step`` logs; of a model without one, what it logs when validated on the test data, of
        which there are as many batches as a test may have.
    """
    data = task.datamodule
    if is_overridden("test_step", model, LightningModule):
        with keyboard_interrupts(trainer):
            return measured(trainer, trainer.test(model, datamodule=data, verbose=False))
    data.setup("test")
    with (
        keyboard_interrupts(trainer),
        _replaced(data, "val_dataloader", data.test_dataloader),
        _replaced(trainer, "limit_val_batches", trainer.limit_test_batches),
    ):
        return measured(trainer, trainer.validate(model, datamodule=data, verbose=False))


def require_test(task: Task, monitor: Monitor) -> None:
    """Refuse a task whose models cannot be measured on the test split, which stays closed: validation data stand in.

    Args:
        task: the model, the data and the Trainer.
        monitor: the validation metric that the test must measure, too.

    Raises:
        ModelError: if there is no ``test_dataloader``.
        SettingsError: if ``test_step`` does not log the metric.
    """
    require_test_data(task)
    data = task.datamodule
    with quiet_lightning():
        model = task.build_model()
        if not is_overridden("test_step", model, LightningModule):
            return
        trainer = build_trainer(task, monitor, [], {})
        try:
            data.setup("validate")
            with keyboard_interrupts(trainer), _replaced(data, "test_dataloader", data.val_dataloader):
                metrics = measured(trainer, trainer.test(model, datamodule=data, verbose=False))
        except GloError:
            raise
        except Exception:
            return  # validation data need not be such as test_step takes; what it logs, the comparison will show
        _find(metrics, monitor.name)


def require_test_data(task: Task) -> None:
    """Refuse a task without a test split.

    Raises:
        ModelError: if there is no ``test_dataloader``.
    """
    if not is_overridden("test_dataloader", task.datamodule, LightningDataModule):
        raise ModelError(
            "a data module with a test_dataloader, because trained models are measured on the test split",
            f"{type(task.datamodule).__name__} without",
            f"Add one{_WITHOUT.get(section(), '')}.",
        )


def _find(metrics: dict[str, float], monitor: str) -> float:
    on_one_loader = PLACE.sub("", monitor)  # Lightning numbers the names on several
    for name in (name_on_test(monitor), monitor, name_on_test(on_one_loader), on_one_loader):
        if name in metrics:
            return metrics[name]
    raise SettingsError(
        f"test_step to log {name_on_test(monitor)!r}",
        f"only {sorted(metrics) or 'nothing'}",
        "Log there what validation_step logs; or leave test_step out, and the test data are validated.",
    )


@contextmanager
def _replaced(owner: object, name: str, value: Any) -> Iterator[None]:
    """Give a data module another hook, whose transfers and transforms still apply, or a Trainer another limit."""
    attributes = vars(owner)
    before = {name: attributes[name]} if name in attributes else {}
    attributes[name] = value
    try:
        yield
    finally:
        del attributes[name]
        attributes |= before
