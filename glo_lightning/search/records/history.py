"""The history of a search as a figure: how scores rose, and what became of the candidates drawn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from textwrap import fill
from typing import TYPE_CHECKING

from glo_lightning.figures import AMBER, BLUE, GREEN, ORANGE, PINK, SKY, SLATE, make_figure
from glo_lightning.search.records.candidates import BaselineScore, GenerationSummary
from glo_lightning.training.monitor import Monitor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FATES = {
    "trained": ("trained", BLUE),
    "unseen": ("trains as an earlier one", "#8ec5e8"),
    "stable": ("would collapse", ORANGE),
    "violated": ("violates the invariant", "#8c3b00"),
    "exact": ("starts uphill", "#f0a35e"),
    "gradient": ("ignores the label", "#f6d5a8"),
    "defined": ("undefined somewhere", "#b9bec6"),
    "leaves": ("lacks label or prediction", "#dfe3e8"),
}
"""What a draw may come to, its words and its colour, from the costliest to the cheapest."""

STAGES = (BLUE, GREEN, ORANGE, PINK, AMBER, SKY)
"""Colours of the stages, the first and those that go on from it."""


def draw_history(
    stages: Mapping[str, Sequence[GenerationSummary]], monitor: Monitor, baseline: BaselineScore | None = None
) -> "Figure":
    """Draw the best score of every generation, and the share of draws that trained or that something stopped.

    Args:
        stages: summaries of generations by title: the first stage, and those that go on from it side by side.
        monitor: the metric.
        baseline: what candidates are seen beside, a line among the scores; None for none.

    Returns:
        Two diagrams above each other, over the generations.

    Example:
        >>> summary = GenerationSummary(0, 0.9, 0.7, 3, 5, 8, 1.2, {"trained": 3, "exact": 5})
        >>> figure = draw_history({"trees": [summary]}, Monitor())
        >>> [float(bar.get_height()) for bar in figure.axes[1].patches]
        [0.375, 0.625]

    Source: GLO, section 3.
    """
    from matplotlib.ticker import MaxNLocator

    figure = make_figure(9.0, 5.6)
    scores, shares = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    first, *later = stages.values()
    end = len(first)
    for place, (title, summaries) in enumerate(stages.items()):
        _draw_scores(scores, summaries, 1 + end if place else 1, title, STAGES[place % len(STAGES)], monitor)
    draw_shares(shares, [summary.fates for summary in first], 1)
    draw_shares(shares, [sum_fates(fates) for fates in _side_by_side(later)], 1 + end)
    # What lies far from the best would press the curves flat.
    levels = [level for line in scores.lines if line.get_label() in stages for level in line.get_ydata()]
    if baseline is not None:
        scores.axhline(baseline.metric, color=SLATE, linewidth=1.0, linestyle="--", label=baseline.name)
        levels.append(baseline.metric)
    margin = 0.15 * (max(levels) - min(levels)) or 0.05
    scores.set_ylim(min(levels) - margin, max(levels) + margin)
    shares.set_ylim(0.0, 1.0)
    shares.set_xlim(0.4, None)
    shares.xaxis.set_major_locator(MaxNLocator(integer=True))
    shares.set_xlabel("generation", fontsize=9, color=SLATE)
    scores.grid(axis="y", color="0.92", linewidth=0.8)
    for axes, label in ((scores, f"{monitor.name}, best so far"), (shares, "share of draws")):
        axes.set_ylabel(label, fontsize=9, color=SLATE)
        axes.tick_params(labelsize=8, colors=SLATE)
        axes.spines[["top", "right"]].set_visible(False)
        if later:
            axes.axvline(end + 0.5, color=SLATE, linewidth=0.8, linestyle=":")
        named = {fill(label, 32): handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        axes.legend(
            named.values(),
            named,
            fontsize=8,
            frameon=False,
            labelcolor=SLATE,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
    return figure


def sum_fates(fates: Sequence[Mapping[str, int]]) -> Counter[str]:
    """Add up counts of what became of draws.

    Example:
        >>> sorted(sum_fates([{"trained": 3, "violated": 1}, {"trained": 2}]).items())
        [('trained', 5), ('violated', 1)]
    """
    return sum((Counter(each) for each in fates), Counter())


def _side_by_side(stages: Sequence[Sequence[GenerationSummary]]) -> list[list[Mapping[str, int]]]:
    longest = max((len(summaries) for summaries in stages), default=0)
    return [[summaries[k].fates for summaries in stages if k < len(summaries)] for k in range(longest)]


def _draw_scores(
    axes: "Axes", summaries: Sequence[GenerationSummary], start: int, title: str, color: str, monitor: Monitor
) -> None:
    """Draw each generation's best and the best so far; a generation of repetitions has no best of its own."""
    points = [(start + summary.generation, summary.best) for summary in summaries if summary.best is not None]
    if not points:
        return
    places, bests = zip(*points, strict=True)
    so_far = list(accumulate(bests, lambda *metrics: monitor.best(metrics)))
    end = start + summaries[-1].generation
    axes.plot([*places, end], [*so_far, so_far[-1]], color=color, linewidth=1.8, drawstyle="steps-post", label=title)
    axes.plot(places, bests, "o", color=color, markersize=4, markerfacecolor="white")


def draw_shares(axes: "Axes", fates: Sequence[Mapping[str, int]], start: int) -> None:
    """Stack one bar per generation.

    Args:
        axes: to draw on.
        fates: how many draws of each generation ended how; see :class:`GenerationSummary`.
        start: where the first bar stands.
    """
    places = range(start, start + len(fates))
    totals = [sum(each.values()) for each in fates]
    bottom = [0.0] * len(fates)
    for fate, (label, color) in FATES.items():
        shares = [each.get(fate, 0) / total for each, total in zip(fates, totals, strict=True)]
        if any(shares):
            axes.bar(places, shares, 0.85, bottom, color=color, label=label)
            bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
