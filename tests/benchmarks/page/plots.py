"""One picture per section, of what its records hold."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from page.records import Record
from page.tables import families_of, pooled
from page.tasks import WORKS

COLOURS = {
    "cross-entropy": "#9a9a9a", "tuned": "#d98324", "best known": "#3a8f5c",
    "drive": "#1f4e9e", "drive, rate": "#7a3fa0", "known, drive": "#c2307e", "Taylor": "#5b8fd6", "trees": "#a3b8e8",
}  # fmt: skip
"""Grey for what everybody has, warm and green for the rivals, blue and violet for what was found."""


def draw(records: Sequence[Record], conditions: Iterable[str], label: str, path: Path) -> None:
    """Draw a panel per task, and in it each loss's mean under each condition, with its spread.

    Args:
        records: of all tasks.
        conditions: along the x-axis.
        label: of the y-axis.
        path: of the SVG.
    """
    tasks = list(dict.fromkeys(each.task for each in records))
    figure = Figure((4.6 * len(tasks) + 1.4, 3.4), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        own = [each for each in records if each.task == task]
        shown = [name for name in conditions if any(each.condition == name for each in own)]
        series = ["cross-entropy", "tuned", "best known", *families_of(own)]
        for place, name in enumerate(series):
            shift = 0.11 * (place - (len(series) - 1) / 2)
            for x, condition in enumerate(shown):
                here = [each for each in own if each.condition == condition and name in (*series[:3], each.family)]
                sample = pooled(here, name if name in series[:3] else "found")
                if sample:
                    spread = statistics.stdev(sample) if len(sample) > 1 else 0.0
                    axis.errorbar(
                        x + shift, statistics.mean(sample), spread, fmt="o", color=COLOURS[name], markersize=5,
                        label=_label(name, series) if not x else None,
                    )  # fmt: skip
        axis.set_xticks(range(len(shown)), ["" if name == task else name for name in shown])
        axis.set_title(WORKS[task].words if task in WORKS else task, fontsize=9)
        axis.grid(axis="y", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel(label)
    named = {label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside right upper", fontsize=8, frameon=False)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure that is the same, byte for byte, whenever it is drawn of the same records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "page", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _label(name: str, series: Sequence[str]) -> str:
    return name if name in series[:3] else f"found: {name}"
