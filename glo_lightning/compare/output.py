"""Compare the losses of a command line; print tables, write JSON, CSV and figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console

from glo_lightning.cli.own_folder import require_own
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.compare.comparison import LossResult
from glo_lightning.compare.figures import figure_curves, figure_fractions
from glo_lightning.compare.settings import Baseline, CompareSettings
from glo_lightning.compare.statistics import mean_interval
from glo_lightning.compare.tables import comparison_table, divergence_sentences, legend
from glo_lightning.compare.trainings import TrainedComparison, run_comparison
from glo_lightning.errors import SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.figures import save_figure
from glo_lightning.files import writable_folder, write_json, write_table
from glo_lightning.losses import Loss, load_losses
from glo_lightning.losses.found_along import warn_of_what_goes_along
from glo_lightning.telling import shown
from glo_lightning.training.placement import leads
from glo_lightning.training.task import Task
from glo_lightning.words import place, say


def run(cli: TaskCLI[CompareSettings]) -> int:
    """Train what is missing, print and write.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    settings = cli.settings()
    require_extra("figures", "the figures of a comparison")
    losses = load_losses(settings.losses, settings.outputs, reserved=get_args(Baseline))
    tasks: dict[float | None, Callable[[], Task]] = {None: cli.task}
    if settings.fractions:
        _require_fractions(cli)
        tasks = {fraction: _on_a_fraction(cli, fraction) for fraction in sorted(set(settings.fractions))}
    require_own(settings.folder, "compare", settings.name)
    folder = writable_folder(settings.folder)
    is_first = leads()
    if is_first:
        warn_of_what_goes_along(settings.losses)
        cli.save_config(folder / "config.yaml")
    try:
        with shown("normal" if is_first else "quiet") as bar:
            losses, trained = run_comparison(settings, losses, tasks, folder / "study.db", bar)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. Finished trainings are kept in {place(folder)}; the same command trains the rest."
        ) from None
    if is_first:
        console = Console()
        for each in trained:
            data = "" if each.fraction is None else f"{each.fraction:.3g} of the training data"
            console.print(comparison_table(each.comparison, data))
            for sentence in filter(None, [*divergence_sentences(each.comparison), each.warning]):
                say(console, sentence)
        say(console, "\n".join(legend(trained[0].comparison)), "dim")
        _write(losses, trained, folder)
        say(console, f"Files in {place(folder)}")
    return 0


def _require_fractions(cli: TaskCLI[CompareSettings]) -> None:
    """Refuse data of which no fraction can be asked for; the parser knows the arguments of every data module."""
    data = cli.config["data"]
    if "training_fraction" not in (data.get("init_args") or {}):
        raise SettingsError(
            "a data module with an argument training_fraction in (0, 1]",
            f"{data['class_path'].rpartition('.')[2]} without",
            "Add it, or leave --fractions out.",
        )


def _on_a_fraction(cli: TaskCLI[CompareSettings], fraction: float) -> Callable[[], Task]:
    return TaskCLI(cli.verb, [*cli.arguments, f"--data.training_fraction={fraction}"]).task


def _write(losses: Mapping[str, Loss], trained: Sequence[TrainedComparison], folder: Path) -> None:
    record = {
        "losses": {name: {"formula": loss.formula("unicode"), **loss.to_dict()} for name, loss in losses.items()},
        "comparisons": [each.to_dict() for each in trained],
    }
    write_json(folder / "comparison.json", record)
    rows = [_row(each, result) for each in trained for result in each.comparison.results]
    write_table(folder / "comparison.csv", rows)
    save_figure(figure_curves(trained), folder / "curves.png")
    if len(trained) > 1:
        save_figure(figure_fractions(trained), folder / "fractions.png")


def _row(each: TrainedComparison, result: LossResult) -> dict[str, str | float | None]:
    low, high = mean_interval(result.metrics) if result.is_measured else (None, None)
    return {
        "fraction": each.fraction,
        "loss": result.name,
        "seeds": len(result.metrics),
        "diverged": result.num_diverged,
        "epochs": each.comparison.epochs,
        "mean": result.mean if result.is_measured else None,
        "std": result.std if result.is_measured else None,
        "mean_low": low,
        "mean_high": high,
        "difference": result.difference,
        "difference_low": result.low,
        "difference_high": result.high,
        "p": result.p_value,
        "p_holm": result.adjusted_p,
        "p_paired_holm": result.paired_p,
        "hedges_g": result.effect_size,
    }
