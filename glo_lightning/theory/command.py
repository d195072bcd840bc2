"""``python -m glo_lightning.theory``: a table and figures of what losses will do."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glo_lightning.errors import SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.figures import save_figure
from glo_lightning.files import write_json
from glo_lightning.losses import NAMED_LOSSES, Loss, load_losses
from glo_lightning.plain_parser import PlainParser
from glo_lightning.theory.figures import (
    figure_attraction,
    figure_influence,
    figure_shapes,
    figure_start,
    figure_stratification,
)
from glo_lightning.theory.influence import RESIDUALS, InfluenceSummary, summarize_influence
from glo_lightning.theory.record import AttractionRecord
from glo_lightning.theory.summary import LossSummary, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

LEGEND = """\
start      gradient of a fresh network relative to cross-entropy's; negative starts uphill
ratio      curvature over drive: 1 for proper losses, collapse threatens below -kappa
stable     starts downhill and does not collapse; exact: starts downhill; paper: as printed
zero error drive on memorised samples: + pulls on, - pushes back
rests at   confidence at which a sample stays
smoothing  label smoothing that would hold cross-entropy back as much
"""

INFLUENCE_LEGEND = """\
ψ(r)       force of a residual of r standard deviations of the targets
outliers   pull without end (grows), no harder than some (bounded), or less and less (redescends)
strongest  the residual that pulls the most
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and, with ``--output``, write the figures and ``theory.json``.

    Args:
        arguments: the command line; ``sys.argv`` by default.

    Returns:
        The exit code, 0.

    Raises:
        GloError: if a loss or a record cannot be read, or a number is outside its range.
    """
    options = _parser().parse_args(arguments)
    if not options.losses and not options.records:
        raise SettingsError("at least one loss or record", "none", "Name one: glo-lightning theory baikal.")
    if options.output is not None:
        require_extra("figures", "the figures of --output")
    everything = load_losses(options.losses, outputs=None)
    losses = {name: loss for name, loss in everything.items() if loss.outputs != "real"}
    of_residuals = {name: loss for name, loss in everything.items() if loss.outputs == "real"}
    records = load_records(options.records)
    if records and options.output is None:
        raise SettingsError("--output with --records", "none", "Name the folder that the figure goes to.")
    options.num_classes = _classes_of(losses, options.num_classes)
    summaries = {name: summarize(loss, options.num_classes) for name, loss in losses.items()}
    influences = {name: summarize_influence(loss) for name, loss in of_residuals.items()}
    if summaries:
        _print(summary_table(summaries), LEGEND, summaries)
    if influences:
        _print(influence_table(influences), INFLUENCE_LEGEND, influences)
    if options.output is not None:
        content = {name: {**summary.to_dict(), "loss": losses[name].to_dict()} for name, summary in summaries.items()}
        content |= {
            name: {**summary.to_dict(), "loss": of_residuals[name].to_dict()} for name, summary in influences.items()
        }
        figures = _draw(losses, summaries, options.num_classes)
        if of_residuals:
            figures["influence.png"] = figure_influence(of_residuals)
        if records:
            figures["stratification.png"] = figure_stratification(records)
        for path in _write(content, figures, options.output):
            sys.stdout.write(f"{path}\n")
    return 0


def _classes_of(losses: Mapping[str, Loss], num_classes: int | None) -> int:
    """Return how many classes losses are judged for: as many as asked for, or as they were made for, or 10.

    Raises:
        SettingsError: if one is for others.
    """
    sigmoid = [name for name, loss in losses.items() if loss.outputs == "sigmoid"]
    own = {name: loss.num_classes for name, loss in losses.items() if name not in sigmoid and loss.num_classes}
    made_for = 2 if losses and len(sigmoid) == len(losses) else next(iter(own.values()), 10)
    classes = made_for if num_classes is None else num_classes
    if sigmoid and classes != 2:
        raise SettingsError(
            f"--num-classes=2 with {', '.join(sigmoid)}, which asks of each logit: no or yes?",
            str(classes),
            "Look at losses of sigmoid and of softmax outputs one after the other.",
        )
    for name, wanted in own.items():
        if wanted != classes:
            raise SettingsError(
                f"--num-classes={wanted} with {name}, which was made for so many",
                str(classes) if num_classes is not None else f"{classes}, for which {next(iter(own))} was made",
                "Leave the number out, and look at losses for different numbers of classes one after the other.",
            )
    return classes


def load_records(files: Sequence[Path]) -> dict[str, AttractionRecord]:
    """Load what AttractionRecorders wrote, by the names of their folders.

    Raises:
        DataError: if a file is no record.
    """
    return {file.resolve().parent.name: AttractionRecord.read(file) for file in files}


def summary_table(summaries: Mapping[str, LossSummary]) -> "Table":
    """Return one row per loss, at most 80 columns wide with names of ordinary length."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # Folded rather than cut: the ends of names tell losses apart.
    table.add_column("loss", overflow="fold")
    for column in ("start", "ratio", "stable", "exact", "paper", "zero\nerror", "rests\nat", "smoothing"):
        table.add_column(column, justify="right")
    for name, summary in summaries.items():
        verdict = summary.trainability
        table.add_row(
            escape(name),
            _number(summary.relative_start, "×"),
            _number(verdict.ratio),
            *(_answer(answer) for answer in (verdict.stable, verdict.exact, verdict.paper)),
            _number(summary.zero_error_drive),
            _number(summary.equilibrium_confidence),
            _number(summary.implied_smoothing),
        )
    return table


def _parser() -> PlainParser:
    parser = PlainParser(
        "theory",
        "Say what losses will do before anyone trains with them.",
        epilog=f"named losses: {', '.join(NAMED_LOSSES)}",
    )
    parser.add_argument("losses", nargs="*", metavar="LOSS", help="a named loss, or a JSON file such as best_loss.json")
    parser.add_argument(
        "--num-classes",
        type=int,
        metavar="C",
        help="classes of the data (default: as many as the losses were made for; 10 for losses that any will do)",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write PNG figures and theory.json there")
    parser.add_argument(
        "--records",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="attraction.npz of AttractionRecorders, to be drawn side by side",
    )
    return parser


def influence_table(summaries: Mapping[str, InfluenceSummary]) -> "Table":
    """Return one row per loss of real-valued predictions, at most 80 columns wide with names of ordinary length."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("loss", overflow="fold")
    for residual in RESIDUALS:
        table.add_column(f"ψ({residual:g})".replace("-", "−"), justify="right")
    for column in ("outliers", "strongest"):
        table.add_column(column, justify="right")
    for name, summary in summaries.items():
        numbers = map(_number, summary.influence)
        table.add_row(escape(name), *numbers, summary.tail, _number(summary.strongest))
    return table


def _print(table: "Table", legend: str, summaries: "Mapping[str, LossSummary | InfluenceSummary]") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(table)
    console.print(legend, style="dim")
    for name, summary in summaries.items():
        console.print(f"{name}: {summary.formula}", markup=False, soft_wrap=True)
        if isinstance(summary, LossSummary) and summary.reason:
            console.print(f"    {summary.reason}", markup=False, soft_wrap=True)


def _draw(losses: Mapping[str, Loss], summaries: Mapping[str, LossSummary], num_classes: int) -> "dict[str, Figure]":
    """Return the figures of losses of classes, by the names of their files."""
    if not losses:
        return {}
    figures = {}
    defined = {name: loss for name, loss in losses.items() if not summaries[name].trainability.undefined}
    if defined:
        figures["shapes.png"] = figure_shapes(defined, num_classes)
        figures["attraction.png"] = figure_attraction(defined, num_classes)
    return {**figures, "start.png": figure_start(losses, num_classes)}


def _write(content: Mapping[str, Any], figures: "Mapping[str, Figure]", output: Path) -> list[Path]:
    output.mkdir(parents=True, exist_ok=True)
    written = []
    if content:
        written.append(output / "theory.json")
        write_json(written[0], content)
    for name, figure in figures.items():
        written.append(output / name)
        save_figure(figure, written[-1])
    return written


def _number(value: float, prefix: str = "") -> str:
    if math.isnan(value):
        return "-"
    return f"{prefix}{value:.3g}" if math.isfinite(value) else str(value).replace("inf", "∞")


def _answer(answer: bool | None) -> str:
    return "-" if answer is None else "yes" if answer else "no"
