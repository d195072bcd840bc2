"""Tables and figures name every loss and model, whatever its name looks like."""

import io

import pytest
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from glo_lightning.compare.comparison import Comparison, compare_metrics
from glo_lightning.compare.figures import figure_curves, figure_fractions
from glo_lightning.compare.tables import comparison_table
from glo_lightning.compare.trainings import TrainedComparison
from glo_lightning.landscape.figures import figure_landscape
from glo_lightning.landscape.output import Surroundings, landscape_table
from glo_lightning.landscape.surface import Surface, grid
from glo_lightning.robustness.accuracy import FGSM, PGD, Robustness, RobustnessCurve
from glo_lightning.robustness.figures import figure_robustness
from glo_lightning.robustness.output import robustness_table
from glo_lightning.training.monitor import Monitor

NAMES = ("x[b]y", "_mine")
METRICS = dict(zip(NAMES, [(0.9, 0.91), (0.92, 0.93)], strict=True))
COMPARISON: Comparison = compare_metrics(METRICS, Monitor("f1[b]"), (1, 2), epochs=2)
CURVES = dict.fromkeys(NAMES, ((0.5, 0.6), (0.6, 0.7)))
TRAINED = [TrainedComparison(fraction, COMPARISON, CURVES) for fraction in (0.5, 1.0)]
ROBUSTNESS = Robustness(4, (0.1,), dict.fromkeys(NAMES, RobustnessCurve(0.9, {FGSM: (0.5,), PGD: (0.4,)}, ())))
SURFACE = Surface(grid(1.0, 3), torch.ones(3), torch.ones(3))

TABLES = {
    "comparison": comparison_table(COMPARISON),
    "comparison of fractions": comparison_table(COMPARISON, "0.5 of the training data"),
    "robustness": robustness_table(ROBUSTNESS),
    "landscape": landscape_table(dict.fromkeys(NAMES, Surroundings(SURFACE, 1.0, None)), 4),
}
FIGURES = {
    "curves": figure_curves(TRAINED),
    "fractions": figure_fractions(TRAINED),
    "robustness": figure_robustness(ROBUSTNESS),
    "landscape": figure_landscape(dict.fromkeys(NAMES, SURFACE), 0.5),
}


def printed(table: Table) -> str:
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_print_names_as_they_are(table: Table) -> None:
    text = printed(table)
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("robustness", "landscape")])
def test_tables_of_a_comparison_name_its_metric_as_it_is(name: str) -> None:
    assert "f1[b] on the test split" in printed(TABLES[name])


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_legends_name_all(figure: Figure) -> None:
    shown = [text.get_text().strip("\u200b") for text in figure.axes[0].get_legend().get_texts()]
    assert shown == list(NAMES)


def test_intervals_stay_on_one_line_beside_long_names() -> None:
    names = ("cross-entropy", "cross-entropy, joint × 0.476", "discovered")
    comparison = compare_metrics(dict(zip(names, [*METRICS.values(), (0.9, 0.91)], strict=True)), Monitor(), (1, 2))
    lines = printed(comparison_table(comparison)).splitlines()
    assert sum(line.count("[") == line.count("]") == 1 for line in lines) == 3  # of the header, too
    assert max(map(len, lines)) == 80


def test_a_loss_whose_trainings_all_stopped_is_drawn_where_they_did() -> None:
    divergences = {"_mine": ("at step 4", "at step 3")}
    comparison = compare_metrics(METRICS, Monitor(), (1, 2), epochs=12, divergences=divergences)
    curves = {"x[b]y": [[0.5] * 12, [0.6] * 12], "_mine": [[0.1] * 3, [0.1] * 2]}
    axes = figure_curves([TrainedComparison(None, comparison, curves)]).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [list(range(1, 13)), [1, 2, 3]]
    halves = figure_fractions([TrainedComparison(fraction, comparison, curves) for fraction in (0.5, 1.0)])
    points = {line.get_label(): len(line.get_xdata()) for line in halves.axes[0].lines if len(line.get_xdata()) != 4}
    assert points.get("_mine", 0) == 0
