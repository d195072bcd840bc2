"""Train with the loss of a command line; print the metrics and write them."""

from rich.console import Console

from glo_lightning.cli.own_folder import require_own
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.files import write_json
from glo_lightning.losses import NAMED_LOSSES, in_units_of, load_losses, save_loss
from glo_lightning.losses.found_along import warn_of_what_goes_along
from glo_lightning.telling import shown
from glo_lightning.train.resumption import claim, require_resumable, what_learns
from glo_lightning.train.settings import TrainSettings
from glo_lightning.train.training import FullTraining, train_fully
from glo_lightning.training.checks.targets import target_scale
from glo_lightning.training.placement import leads
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.words import number, place


def run(cli: TaskCLI[TrainSettings]) -> int:
    """Train, and print the metrics.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything trains.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    settings = cli.settings()
    folder = settings.folder.absolute()  # what is built next may go to another one
    (loss,) = load_losses([settings.loss_of_outputs], settings.outputs).values()
    task = cli.task()
    if settings.outputs == "real" and settings.loss_of_outputs in NAMED_LOSSES:
        loss = in_units_of(loss, target_scale(task).sigma)
    require_own(folder, "train", settings.name_of_results)
    is_first = leads()
    if is_first:
        warn_of_what_goes_along([settings.loss_of_outputs])
        claim(folder, what_learns(task, loss, settings), settings.resume)
        if (folder / "last.ckpt").is_file():
            require_resumable(folder / "last.ckpt", _epochs(task, settings))
        cli.save_config(folder / "config.yaml")
        save_loss(loss, folder / "loss.json")
    try:
        with shown():
            training = train_fully(task, loss, settings, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. The last epoch is kept in {place(folder)}; the same command goes on from there."
        ) from None
    if is_first:
        write_json(folder / "metrics.json", training.metrics)
        _print(training)
    return 0


def _epochs(task: Task, settings: TrainSettings) -> int:
    """Return the epochs after which a training ends, or -1 if something else ends it."""
    with quiet_lightning():
        return settings.epochs or task.build_trainer([], {}).max_epochs or -1


def _print(training: FullTraining) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    lines = {name: number(value) for name, value in sorted(training.metrics.items())}
    lines |= {"last epoch": place(training.last), "best epoch": place(training.best)}
    width = max(map(len, lines))
    for name, text in lines.items():
        console.print(f"{name:<{width}}  {text}")
