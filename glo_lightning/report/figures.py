"""The report's figures: narrow enough for a phone, in colours that a page can set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from glo_lightning.compare.comparison import Comparison, LossResult
from glo_lightning.figures import BLACK, BLUE, GREY, GRID, MUTED, ORANGE, make_figure, shown_name
from glo_lightning.losses import Loss
from glo_lightning.search.records.candidates import BaselineScore, CandidateRecord, best_candidates, count_fates
from glo_lightning.search.records.history import draw_shares
from glo_lightning.search.records.verdict import Fidelity
from glo_lightning.theory.figures import plot_attraction, plot_forces, plot_influence, plot_losses, plot_rho
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.9
"""Inches: on a phone the figure shrinks by a fifth, and its letters stay readable."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def draw_scores(
    candidates: Sequence[CandidateRecord], monitor: Monitor, baseline: BaselineScore | None = None
) -> "Figure":
    """Draw every candidate's metric, the middle half and the median of each generation, and the best so far.

    The scale is that of the medians and the bests; a candidate farther from them than they are from one another, and
    one that diverged, is an arrow at the edge.

    Args:
        candidates: of one stage; one or more has trained.
        monitor: the metric.
        baseline: what candidates are seen beside, a dotted line; None for none.
    """
    figure, axes = _panel(3.1)
    scores = _by_generation(candidates, [candidate.metric for candidate in candidates])
    places = [1 + generation for generation in scores]
    low, middle, high = np.array([np.percentile(metrics, (25, 50, 75)) for metrics in scores.values()]).T
    so_far = list(accumulate(map(monitor.best, scores.values()), lambda *metrics: monitor.best(metrics)))
    levels = [*so_far, *middle.tolist(), *([] if baseline is None else [baseline.metric])]
    span = max(levels) - min(levels)
    crowd = [(place, metric) for place, metrics in zip(places, scores.values(), strict=True) for metric in metrics]
    limits = _limits([*levels, *(y for _, y in crowd if min(levels) - span <= y <= max(levels) + span)])
    near = [point for point in crowd if limits[0] <= point[1] <= limits[1]]
    axes.plot(*zip(*near, strict=True), ".", color=MUTED, markersize=3, alpha=0.45, label="candidates")
    far = [place for place, metric in crowd if not limits[0] <= metric <= limits[1]]
    far += [1 + candidate.generation for candidate in candidates if candidate.status == Status.DIVERGED]
    if far:
        edge, arrow = (limits[0], "v") if monitor.mode == "max" else (limits[1], "^")
        axes.plot(
            far, [edge] * len(far), arrow, color=MUTED, markersize=4, clip_on=False, label="far worse, or diverged"
        )
    axes.fill_between(places, low, high, color=BLUE, alpha=0.18, linewidth=0, label="middle half")
    axes.plot(places, middle, color=BLUE, linewidth=1.4, label="median")
    axes.plot(places, so_far, color=ORANGE, linewidth=1.8, drawstyle="steps-post", label="best so far")
    if baseline is not None:
        axes.axhline(baseline.metric, color=MUTED, linewidth=1.0, linestyle=":", label=shown_name(baseline.name))
    axes.set_xlabel("generation")
    axes.set_ylabel(shown_name(monitor.name))
    axes.set_ylim(limits)
    _count_on(axes)
    _legend_above(axes, columns=3 if far or baseline is not None else 4)
    return figure


def draw_values(numbers: Sequence[int], values: Sequence[float], best: Callable[[Iterable[float]], float]) -> "Figure":
    """Draw what an objective returned, trial by trial, and the best so far.

    Args:
        numbers: of the trials, in their order; one or more.
        values: theirs.
        best: returns the better of values.
    """
    figure, axes = _panel(3.1)
    so_far = list(accumulate(values, lambda *each: best(each)))
    axes.plot(numbers, values, ".", color=MUTED, markersize=4, alpha=0.6, label="trials")
    axes.plot(numbers, so_far, color=ORANGE, linewidth=1.8, drawstyle="steps-post", label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel("value")
    _count_on(axes)
    _legend_above(axes, columns=2)
    return figure


def draw_fates(candidates: Sequence[CandidateRecord]) -> "Figure":
    """Draw which share of each generation's draws trained, and what stopped the others."""
    figure, axes = _panel(2.8)
    members: dict[int, list[CandidateRecord]] = {}
    for candidate in candidates:
        members.setdefault(candidate.generation, []).append(candidate)
    draw_shares(axes, [count_fates(each) for _, each in sorted(members.items())], 1)
    axes.set(xlim=(0.4, len(members) + 0.6), ylim=(0.0, 1.0))
    axes.set_xlabel("generation")
    axes.set_ylabel("share of draws")
    _count_on(axes)
    _legend_above(axes, columns=2)
    return figure


def draw_trajectories(candidates: Sequence[CandidateRecord], monitor: Monitor) -> "Figure":
    """Draw where the search looked: for each parameter its median, its middle half, and the generation's best.

    Args:
        candidates: of one stage, with numeric parameters.
        monitor: the metric.
    """
    names = list(candidates[0].parameters)
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    figure = make_figure(WIDTH, 0.7 + 1.25 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    bests = _bests(candidates, monitor)
    for axes, name in zip(panels.flat, names, strict=False):
        values = _by_generation(candidates, [float(candidate.parameters[name]) for candidate in candidates])
        places = [1 + generation for generation in values]
        low, middle, high = np.array([np.percentile(each, (25, 50, 75)) for each in values.values()]).T
        axes.fill_between(places, low, high, color=BLUE, alpha=0.18, linewidth=0)
        axes.plot(places, middle, color=BLUE, linewidth=1.3)
        leaders = [best.parameters[name] for best in bests]
        axes.plot([1 + best.generation for best in bests], leaders, ".", color=ORANGE, markersize=3.5)
        axes.set_title(shown_name(_symbol(name)), fontsize=9, color=BLACK)
        _style(axes)
        axes.tick_params(labelsize=7.5)
        _count_on(axes, most=3)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("generation", fontsize=9, color=BLACK)
    return figure


def draw_fidelity(fidelity: Fidelity, monitor: Monitor) -> "Figure":
    """Draw what each candidate of the sample reached after full training, over what it had after partial training."""
    figure, axes = _panel(3.1)
    pairs = [(x, y) for x, y in zip(fidelity.partial, fidelity.full, strict=True) if y is not None]
    axes.plot(*zip(*pairs, strict=True), "o", color=BLUE, markersize=5, markerfacecolor="none")
    diverged = [x for x, y in zip(fidelity.partial, fidelity.full, strict=True) if y is None]
    if diverged:
        edge, arrow = (0.0, "v") if monitor.mode == "max" else (1.0, "^")
        places = axes.get_xaxis_transform()
        axes.plot(
            diverged, [edge] * len(diverged), arrow, color=MUTED, transform=places, clip_on=False, label="diverged"
        )
        _legend_above(axes, columns=1)
    axes.set_xlabel(f"{shown_name(monitor.name)}, partial training")
    axes.set_ylabel("full training")
    return figure


def draw_comparison(comparison: Comparison) -> "Figure":
    """Draw every training's metric, and mean and standard deviation of each loss.

    A line stands at the mean of the strongest rival. Trainings that diverged are arrows at the edge, as are means that
    they carry away.
    """
    figure, axes = _panel(0.75 + 0.5 * len(comparison.results))
    monitor, results = comparison.monitor, comparison.ranked
    limits = _limits([metric for result in results for metric in _reach(result)])
    arrow, edge = ("<", limits[0]) if monitor.mode == "max" else (">", limits[1])
    for row, result in enumerate(results):
        color = ORANGE if row == len(results) - 1 else BLUE
        for metric, divergence in zip(result.metrics, result.divergences, strict=True):
            number, marker = (edge, arrow) if divergence else (metric, "|")
            axes.plot(number, row + 0.22, marker, clip_on=False, color=MUTED, markersize=6, alpha=0.8)
        if not result.is_measured:
            continue
        if limits[0] <= result.mean <= limits[1]:
            axes.plot(result.mean, row, "o", color=color, markersize=6)
            axes.errorbar(result.mean, row, xerr=result.std, fmt="none", color=color, capsize=4, linewidth=1.6)
        else:
            axes.plot(edge, row, arrow, clip_on=False, color=color, markersize=6)
    if results[0].is_measured:
        axes.axvline(results[0].mean, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(results)), [shown_name(result.name) for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_xlim(limits)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(shown_name(comparison.title))
    return figure


def draw_shape(loss: Loss, num_classes: int) -> "Figure":
    """Draw the loss and the force gamma over the scaled logit, for the target and for a non-target."""
    figure = make_figure(WIDTH, 2.7)
    left, right = figure.subplots(1, 2)
    plot_losses(left, loss, num_classes)
    plot_forces(right, loss, num_classes)
    for axes, title in ((left, "loss ℓ(y, h)"), (right, "force γ = −∂ℓ/∂h")):
        axes.set_title(title, fontsize=9, color=BLACK)
        axes.set_xlabel("scaled logit h")
        _style(axes)
    handles = left.lines[:2]
    figure.legend(handles, ["target, y = 1", "non-target, y = 0"], loc="outside upper center", ncols=2, **_LEGEND)
    return figure


def draw_influence(losses: Mapping[str, Loss]) -> "Figure":
    """Draw two losses of real-valued predictions and their influence, over the residual."""
    figure = make_figure(WIDTH, 2.7)
    left, right = figure.subplots(1, 2)
    plot_rho(left, losses, (ORANGE, BLUE))
    plot_influence(right, losses, (ORANGE, BLUE))
    for axes, title in ((left, "loss ρ(r)"), (right, "influence ψ = ρ′(r)")):
        axes.set_title(title, fontsize=9, color=BLACK)
        axes.set_xlabel("residual r")
        _style(axes)
    figure.legend(left.lines[:2], list(map(shown_name, losses)), loc="outside upper center", ncols=2, **_LEGEND)
    return figure


def draw_attraction(losses: Mapping[str, Loss], num_classes: int) -> "Figure":
    """Draw by how much one step changes the confidence, over the confidence.

    Args:
        losses: by the names to show.
        num_classes: C, 2 or more.
    """
    figure, axes = _panel(3.3)
    plot_attraction(axes, losses, num_classes, colors=(ORANGE, BLUE))
    axes.set_xlabel("confidence in the target")
    axes.set_ylabel("change in one step")
    _legend_above(axes, columns=2)
    return figure


_LEGEND = {"fontsize": 8.5, "frameon": False, "labelcolor": BLACK}


def _panel(height: float) -> tuple["Figure", "Axes"]:
    figure = make_figure(WIDTH, height)
    axes = figure.subplots()
    _style(axes)
    return figure, axes


def _style(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, labelcolor=BLACK, color=GREY)
    axes.xaxis.label.set(fontsize=9, color=BLACK)
    axes.yaxis.label.set(fontsize=9, color=BLACK)


def _count_on(axes: "Axes", most: int = 8) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))


def _legend_above(axes: "Axes", columns: int) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, columnspacing=1.2, **_LEGEND)


def _limits(levels: Sequence[float]) -> tuple[float, float]:
    margin = 0.15 * (max(levels) - min(levels)) or 0.05
    return min(levels) - margin, max(levels) + margin


def _reach(result: LossResult) -> list[float]:
    """Return the numbers that the scale has to show."""
    if not result.num_diverged:
        return [*result.metrics, result.mean - result.std, result.mean + result.std]
    return [metric for metric, divergence in zip(result.metrics, result.divergences, strict=True) if not divergence]


def _by_generation(candidates: Sequence[CandidateRecord], numbers: Sequence[float | None]) -> dict[int, list[float]]:
    """Collect a number of each candidate that has it, by generation."""
    collected: dict[int, list[float]] = {}
    for candidate, number in zip(candidates, numbers, strict=True):
        if number is not None:
            collected.setdefault(candidate.generation, []).append(number)
    return collected


def _bests(candidates: Sequence[CandidateRecord], monitor: Monitor) -> list[CandidateRecord]:
    """Return the best candidate of every generation."""
    bests: dict[int, CandidateRecord] = {}
    for candidate in best_candidates(candidates, monitor, len(candidates)):
        bests.setdefault(candidate.generation, candidate)
    return [best for _, best in sorted(bests.items())]


def _symbol(name: str) -> str:
    """Write the name of a parameter as mathematicians do."""
    letter, _, number = name.rpartition("_")
    return f"{letter.replace('theta', 'θ')}{number.translate(SUBSCRIPTS)}" if number.isdigit() else name
