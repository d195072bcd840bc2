"""Train a model fully with one loss, so that it can be stopped at any time and gone on with."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.callbacks.sound_checkpoint import SoundCheckpoint
from glo_lightning.callbacks.training_loss import TrainingLossLog
from glo_lightning.environment import require_torchvision
from glo_lightning.errors import ModelError
from glo_lightning.losses import Loss, load_losses, save_loss
from glo_lightning.losses.named import short_name
from glo_lightning.training.command import TRAIN
from glo_lightning.training.evaluation import Monitor
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.measuring import measure_on_test, merged, require_test_data
from glo_lightning.training.probe import probe_task
from glo_lightning.training.resumption import claim, require_resumable, what_learns
from glo_lightning.training.settings import TrainSettings
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.task_cli import TaskCLI
from glo_lightning.training.trainer import build_trainer


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


def train_fully(task: Task, loss: Loss, settings: TrainSettings, folder: Path) -> FullTraining:
    """Train with a loss, going on from the last checkpoint in the folder if there is one.

    Args:
        task: the model, the data and the Trainer; loggers and callbacks of the Trainer's own are kept.
        loss: what to minimise.
        settings: epochs, seed, monitor, and whether to test.
        folder: gets ``last.ckpt``, ``best.ckpt``, ``csv/`` and ``tensorboard/``.

    Returns:
        The metrics and the checkpoints.

    Raises:
        GloError: if something does not fit, before anything trains.
        ModelError: if the training diverged.
        KeyboardInterrupt: after Ctrl-C; the last epoch has been kept.
    """
    monitor = Monitor(settings.monitor, settings.mode)
    probe_task(task, monitor, settings.loss_attribute, settings.seed, settings.outputs)
    if settings.test:
        require_test_data(task)
    divergence = StopOnDivergence()
    # Not save_last=True: Lightning's is of the last epoch that was the best so far.
    checkpoints = [
        SoundCheckpoint(divergence, folder, "best", monitor=settings.monitor, mode=settings.mode),
        SoundCheckpoint(divergence, folder, "last"),
    ]
    callbacks = [
        LossInjection(loss, settings.loss_attribute),
        divergence,
        TrainingLossLog(),
        LearningRateMonitor("epoch"),
    ]
    with quiet_lightning():
        seed_everything(settings.seed, workers=True, verbose=False)
        model = task.build_model()
        trainer = _trainer(task, monitor, callbacks, settings, folder)
        # Behind all others, so that they keep the state those have reached; building them in, Lightning may refuse.
        trainer.callbacks += checkpoints  # type: ignore[attr-defined]
        last = folder / "last.ckpt"
        with keyboard_interrupts(trainer):
            trainer.fit(model, datamodule=task.datamodule, ckpt_path=last if last.exists() else None)
        reason = divergence.reason or _unsound(model)
        if reason:
            raise ModelError("a training that stays finite", reason, "Lower the learning rate, or choose another loss.")
        with keyboard_interrupts(trainer):
            metrics = merged(trainer.validate(model, datamodule=task.datamodule, verbose=False))
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
    overrides: dict[str, Any] = {"enable_progress_bar": Console().is_terminal, "default_root_dir": folder}
    if settings.epochs is not None:
        overrides["max_epochs"] = settings.epochs
    trainer = build_trainer(task, monitor, callbacks, overrides)
    trainer.loggers = [
        *trainer.loggers,
        CSVLogger(folder, name="csv"),
        TensorBoardLogger(folder, name="tensorboard", version=""),
    ]
    return trainer


def train_from_command_line(arguments: Sequence[str]) -> int:
    """Parse, train, and print the metrics.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything trains.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    require_torchvision()
    cli = TaskCLI(TRAIN, arguments)
    settings = cli.settings()
    (loss,) = load_losses([settings.loss], settings.outputs).values()
    task = cli.task()
    folder = Path(settings.output_dir or Path("runs") / (settings.name or f"train_{short_name(settings.loss)}"))
    leads: bool = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    if leads:
        claim(folder, what_learns(task, loss, settings), settings.resume)
        if (folder / "last.ckpt").is_file():
            require_resumable(folder / "last.ckpt", _epochs(task, settings))
        cli.save_config(folder / "config.yaml")
        save_loss(loss, folder / "loss.json")
    try:
        training = train_fully(task, loss, settings, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. The last epoch is kept in {folder}; the same command goes on from there."
        ) from None
    if leads:
        # JSON has no NaN, which a metric may be while the weights are sound.
        metrics = {name: value if math.isfinite(value) else None for name, value in training.metrics.items()}
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        _print(training)
    return 0


def _epochs(task: Task, settings: TrainSettings) -> int:
    """Return the epochs after which a training ends, or -1 if something else ends it."""
    with quiet_lightning():
        return settings.epochs or task.build_trainer([], {}).max_epochs or -1


def _print(training: FullTraining) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    lines = {name: f"{value:.4f}" for name, value in sorted(training.metrics.items())}
    lines |= {"last epoch": str(training.last), "best epoch": str(training.best)}
    width = max(map(len, lines))
    for name, text in lines.items():
        console.print(f"{name:<{width}}  {text}")
