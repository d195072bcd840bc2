"""Train a model fully with one loss, so that it can be stopped at any time and gone on with."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.callbacks.sound_checkpoint import SoundCheckpoint
from glo_lightning.callbacks.training_loss import TrainingLossLog
from glo_lightning.errors import ModelError
from glo_lightning.extras import is_installed
from glo_lightning.losses import Loss
from glo_lightning.train.seeded_epochs import SeededEpochs
from glo_lightning.train.settings import TrainSettings
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.checks.splits import check_splits
from glo_lightning.training.gpu_labels import gpu_labels_explained
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.measured import measured
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.monitored_trainer import build_trainer
from glo_lightning.training.placement import leads
from glo_lightning.training.task import Task, callbacks_of, quiet_lightning
from glo_lightning.training.test_split import measure_on_test, require_test_data
from glo_lightning.training.traces import no_trace

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FullTraining:
    """What a full training left behind.

    Args:
        metrics: of the last validation, and of the test split if it was opened.
        last: checkpoint of the last epoch, which the test metrics are of.
        best: checkpoint of the epoch whose validation was best.
    """

    metrics: Mapping[str, float]
    last: Path
    best: Path


@no_trace()
def train_fully(task: Task, loss: Loss, settings: TrainSettings, folder: Path) -> FullTraining:
    """Train with a loss, going on from the last checkpoint in the folder if there is one, as if it had not stopped.

    Args:
        task: the model, the data and the Trainer; loggers and callbacks of the Trainer's own are kept.
        loss: what to minimise.
        settings: epochs, seed, monitor, and whether to test.
        folder: gets ``last.ckpt``, ``best.ckpt``, ``csv/`` and, where TensorBoard is installed, ``tensorboard/``.

    Returns:
        The metrics and the checkpoints.

    Raises:
        GloError: if something does not fit, before anything trains.
        ModelError: if the training diverged.
        KeyboardInterrupt: after Ctrl-C; the last epoch has been kept.
    """
    monitor = Monitor(settings.monitor, settings.mode)
    probe = probe_task(task, monitor, settings.loss_attribute, settings.seed, settings.outputs)
    if settings.test:
        require_test_data(task)
    doubt = check_splits(task, monitor.name, tested=settings.test)
    if leads():
        for line in filter(None, (probe.caveat, doubt)):
            _logger.warning(line)
    divergence = StopOnDivergence()
    # Not save_last=True: Lightning's is of the last epoch that was the best so far.
    checkpoints = [
        SoundCheckpoint(divergence, folder, "best", monitor=settings.monitor, mode=settings.mode),
        # Behind a validation within an epoch, the rest of that epoch would never be seen by who goes on.
        SoundCheckpoint(divergence, folder, "last", at_epoch_end=True),
    ]
    callbacks = [
        SeededEpochs(settings.seed),
        LossInjection(loss, settings.loss_attribute),
        divergence,
        TrainingLossLog(),
        LearningRateMonitor("epoch"),
    ]
    with quiet_lightning(), gpu_labels_explained():
        seed_everything(settings.seed, workers=True, verbose=False)
        model = task.build_model()
        trainer = _trainer(task, monitor, callbacks, settings, folder)
        # Behind all others, so that they keep the state those have reached; building them in, Lightning may refuse.
        callbacks_of(trainer).extend(checkpoints)
        last = folder / "last.ckpt"
        with keyboard_interrupts(trainer):
            trainer.fit(model, datamodule=task.datamodule, ckpt_path=last if last.exists() else None)
        reason = divergence.reason or _unsound(model)
        if reason:
            raise ModelError("a training that stays finite", reason, "Lower the learning rate, or choose another loss.")
        with keyboard_interrupts(trainer):
            metrics = measured(trainer, trainer.validate(model, datamodule=task.datamodule, verbose=False))
        if settings.test:
            metrics = {**metrics, **measure_on_test(trainer, model, task)}
    return FullTraining(metrics, last, folder / "best.ckpt")


def _unsound(model: LightningModule) -> str:
    """Return why a model is worth nothing although its last loss was a number, or nothing."""
    sound = all(bool(weight.isfinite().all()) for weight in model.parameters())
    return "" if sound else "weights that were not finite after the last step"


def _trainer(
    task: Task, monitor: Monitor, callbacks: Sequence[Callback], settings: TrainSettings, folder: Path
) -> Trainer:
    has_bar = Console().is_terminal and _logger.isEnabledFor(logging.INFO)
    overrides: dict[str, Any] = {"enable_progress_bar": has_bar, "default_root_dir": folder}
    if settings.epochs is not None:
        overrides["max_epochs"] = settings.epochs
    trainer = build_trainer(task, monitor, callbacks, overrides)
    trainer.loggers = [*trainer.loggers, CSVLogger(folder, name="csv")]
    if is_installed("tensorboard"):
        trainer.loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
    return trainer
