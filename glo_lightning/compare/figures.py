"""Figures of comparisons. Matplotlib is imported when a figure is made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glo_lightning.compare.statistics import mean_interval
from glo_lightning.compare.trainings import TrainedComparison
from glo_lightning.figures import color_of, legend_label, make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_curves(outcomes: Sequence[TrainedComparison]) -> "Figure":
    """Draw the validation metric over the epochs: the mean over the seeds, and a band of one standard deviation.

    Trainings that diverged are left out, unless they all did: then the curve ends where the longest of them stopped.

    Returns:
        One diagram per fraction, side by side.

    Source: the figures on training speed of arXiv:1905.11528.
    """
    figure = make_figure(5.0 * len(outcomes) + 0.6, 3.8)
    panels = figure.subplots(1, len(outcomes), squeeze=False)[0]
    for axes, outcome in zip(panels, outcomes, strict=True):
        longest = max(len(curve) for curves in outcome.curves.values() for curve in curves)
        times = (outcome.comparison.epochs or 1) * np.arange(1, longest + 1) / max(longest, 1)
        for number, (name, curves) in enumerate(outcome.curves.items()):
            # The curve of a training that diverged ends early.
            complete = [curve for curve in curves if len(curve) == max(map(len, curves))]
            if complete[0]:
                _band(axes, times, complete, name, color_of(number))
        if outcome.fraction is not None:
            axes.set_title(f"{outcome.fraction:.3g} of the training data", fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel(outcomes[0].comparison.monitor.name, fontsize=8)
    panels[0].legend(fontsize=7, frameon=False)
    return figure


def _band(axes: "Axes", times: NDArray[np.floating], curves: Sequence[Sequence[float]], name: str, color: str) -> None:
    mean = np.mean(curves, axis=0)
    std = np.std(curves, axis=0, ddof=1) if len(curves) > 1 else 0.0
    times = times[: len(mean)]
    axes.plot(times, mean, color=color, label=legend_label(name), linewidth=1.4)
    axes.fill_between(times, mean - std, mean + std, color=color, alpha=0.15, linewidth=0.0)


def figure_fractions(outcomes: Sequence[TrainedComparison]) -> "Figure":
    """Draw the test metric over the share of the training data, with 95% confidence intervals of the means.

    Args:
        outcomes: of two or more fractions.

    Returns:
        One diagram with a line per loss.

    Source: the figure on data utilization of arXiv:1905.11528.
    """
    figure = make_figure(5.6, 3.8)
    axes = figure.subplots()
    fractions = [outcome.fraction or 1.0 for outcome in outcomes]
    for number, name in enumerate(outcomes[0].curves):
        results = [outcome.comparison.result(name) for outcome in outcomes]
        means = np.array([result.mean for result in results])
        ends = np.array([mean_interval(result.metrics) for result in results])
        errors = [means - ends[:, 0], ends[:, 1] - means]
        color = color_of(number)
        axes.errorbar(
            fractions, means, errors, color=color, label=legend_label(name), linewidth=1.4, capsize=2, marker="o", ms=3
        )
    axes.set_xscale("log")
    axes.set_xticks(fractions, [f"{fraction:.3g}" for fraction in fractions])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("share of the training data", fontsize=8)
    comparison = outcomes[0].comparison
    axes.set_ylabel(f"{comparison.monitor.name} on the {comparison.split} split", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    return figure
