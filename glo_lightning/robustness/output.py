"""Attack the models of a command line; print a table, write JSON and a figure."""

import logging
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glo_lightning.attacks import AttackLoss, PixelSpace, parse_epsilon
from glo_lightning.checkpoints.subjects import gather
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.figures import save_figure
from glo_lightning.files import writable_folder, write_json
from glo_lightning.losses import load_loss
from glo_lightning.options import option
from glo_lightning.robustness.accuracy import Robustness, measure_robustness
from glo_lightning.robustness.figures import figure_robustness
from glo_lightning.robustness.settings import RobustnessSettings
from glo_lightning.telling import shown
from glo_lightning.words import place, say

_logger = logging.getLogger(__name__)


def run(cli: TaskCLI[RobustnessSettings]) -> int:
    """Attack, print and write.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything is attacked.
    """
    settings = cli.settings()
    require_extra("figures", "the figure of robustness")
    epsilons = sorted({parse_epsilon(epsilon) for epsilon in settings.epsilons})
    task = cli.task()
    subjects = gather(task, settings)
    losses = trained_losses(subjects.files) if settings.attack_loss == "trained" else None
    folder = writable_folder(settings.folder)
    console = Console(highlight=False)
    with shown():
        robustness = measure_robustness(
            subjects.models,
            subjects.batches,
            epsilons,
            PixelSpace.of(task.datamodule),
            losses,
            settings.steps,
            settings.seed,
            _logger.info,
        )
    console.print(robustness_table(robustness))
    for sentence in masking_sentences(robustness):
        say(console, sentence)
    record = {
        "split": settings.split,
        "attack_loss": settings.attack_loss,
        "steps": settings.steps,
        "seed": settings.seed,
        "checkpoints": {name: str(file) for name, file in subjects.files.items()},
        **robustness.to_dict(),
    }
    write_json(folder / "robustness.json", record)
    save_figure(figure_robustness(robustness), folder / "robustness.png")
    say(console, f"Files in {place(folder)}")
    return 0


def trained_losses(files: Mapping[str, Path]) -> dict[str, AttackLoss]:
    """Load the losses that the models were trained with, as they are at the end of a training.

    Raises:
        SettingsError: if no loss.json is beside a checkpoint.
        LossFileError: if one is damaged.
    """
    losses: dict[str, AttackLoss] = {}
    for name, file in files.items():
        path = file.parent / "loss.json"
        if not path.is_file():
            raise SettingsError(
                f"the loss of {name!r} in {str(path)!r}, as python -m glo_lightning.train leaves it",
                "no such file",
                f"Copy it there, or leave {option('attack_loss')} out.",
            )
        loss = load_loss(path)
        if loss.uses_progress:
            loss.progress = 1.0
        losses[name] = loss
    return losses


def robustness_table(robustness: Robustness) -> Table:
    """Return one row per model and attack, one column per epsilon."""
    title = f"accuracy on {robustness.num_images} images, by the largest change of a pixel"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    table.add_column("attack", no_wrap=True)
    for epsilon in robustness.epsilons:
        table.add_column(f"{epsilon:.3g}", justify="right")
    for name, curve in robustness.curves.items():
        for number, (attack, accuracy) in enumerate(curve.accuracy.items()):
            label = escape(name) if number == 0 else ""
            table.add_row(label, attack, *(f"{value:.3f}" for value in accuracy))
        table.add_section()
    return table


def masking_sentences(robustness: Robustness) -> list[str]:
    """Say of each model whether its accuracies can be believed."""
    sentences = []
    for name, curve in robustness.curves.items():
        signs = "; ".join(map(str, curve.masking))
        if signs:
            sentences.append(f"WARNING: the gradient of {name} misled an attack; it is weaker than it seems: {signs}.")
        else:
            sentences.append(f"{name}: no attack was misled by the gradient.")
    if len(robustness.curves) == 1:
        sentences.append("Pass a second checkpoint to check by transferred attacks, too.")
    return sentences
