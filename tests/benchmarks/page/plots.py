"""One picture per section, of what its records hold."""

import statistics
from collections.abc import Collection, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from page.records import Record
from page.tables import families_of, pooled
from page.tasks import WORKS

RIVALS = {"cross-entropy": "#9a9a9a", "tuned": "#d98324", "best known": "#3a8f5c"}
FOUND = {
    "drive": "#1f4e9e", "drive, rate": "#7a3fa0", "known, drive": "#c2307e", "Taylor": "#5b8fd6", "trees": "#8aa4dd",
}  # fmt: skip
"""Grey for what everybody has, warm and green for the rivals, blue and violet for what was found."""

THICKNESS = {"cross-entropy": 2.0, "tuned": 4.0, "best known": 1.5}
"""Of lines, so that two at the same height are both seen."""

WIDTH = 0.84
"""Of the place of a condition, as a share of the distance between two."""


def draw(records: Sequence[Record], conditions: Collection[str], label: str, path: Path) -> None:
    """Draw a panel per task: under each condition a line per rival, and a dot with its spread per loss found.

    Up is better everywhere: where less is better, the axis is upside down.

    Args:
        records: of all tasks.
        conditions: along the x-axis.
        label: of the y-axis.
        path: of the SVG.
    """
    tasks = sorted({each.task for each in records}, key=[*WORKS, *conditions].index)
    shown = {task: [name for name in conditions if any(_is(each, task, name) for each in records)] for task in tasks}
    widths = [0.6 + 0.8 * max(len(names), 2) for names in shown.values()]
    figure = Figure((sum(widths) + 1.7, 3.4), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, width_ratios=widths)[0]
    for axis, (task, names) in zip(axes, shown.items(), strict=True):
        for x, condition in enumerate(names):
            _draw_place(axis, x, [each for each in records if _is(each, task, condition)])
        axis.set_xticks(range(len(names)), ["" if name == task else name.replace(", ", ",\n") for name in names])
        axis.tick_params(labelsize=8, bottom=False)
        axis.set_xlim(-0.5, len(names) - 0.5)
        axis.grid(axis="y", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        words = WORKS[task].words.replace(", ", "\n", 1) if task in WORKS else task.replace("_", " ")
        if next(each for each in records if each.task == task).comparison.monitor.mode == "min":
            axis.invert_yaxis()
            words += "\n(less is better)"
        axis.set_title(words, fontsize=9)
    axes[0].set_ylabel(label)
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    order = [name for name in (*RIVALS, *map(_found, FOUND)) if name in named]
    figure.legend([named[name] for name in order], order, loc="outside right upper", fontsize=8, frameon=False)
    save(figure, path)


def _draw_place(axis: Axes, x: int, records: Sequence[Record]) -> None:
    """Draw what the records of one task and condition hold."""
    for name, colour in RIVALS.items():
        sample = pooled(records, name)
        if sample:
            level = statistics.mean(sample)
            ends = [x - WIDTH / 2, x + WIDTH / 2]
            axis.plot(ends, [level, level], color=colour, linewidth=THICKNESS[name], label=name)
    families = families_of(records)
    for place, family in enumerate(families):
        sample = pooled([each for each in records if each.family == family], "found")
        shift = WIDTH * ((place + 0.5) / len(families) - 0.5)
        axis.errorbar(
            x + shift, statistics.mean(sample), statistics.stdev(sample), fmt="o", color=FOUND[family], markersize=5,
            elinewidth=1, label=_found(family),
        )  # fmt: skip


def _is(record: Record, task: str, condition: str) -> bool:
    return (record.task, record.condition) == (task, condition)


def _found(family: str) -> str:
    return f"found: {family}"


def save(figure: Figure, path: Path) -> None:
    """Write a figure that is the same, byte for byte, whenever it is drawn of the same records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "page", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
