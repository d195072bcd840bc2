"""Figures of comparisons. Matplotlib is imported when a figure is made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glo_lightning.compare.statistics import mean_interval
from glo_lightning.compare.trainings import TrainedComparison
from glo_lightning.figures import color_of, make_figure, shown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_curves(trained: Sequence[TrainedComparison]) -> "Figure":
    """Draw the validation metric over the epochs: the mean over the seeds, and a band of one standard deviation.

    Trainings that diverged are left out, unless they all did: then the curve ends where the longest of them stopped.

    Returns:
        One diagram per fraction, side by side.

    Source: the figures on training speed of arXiv:1905.11528.
    """
    figure = make_figure(5.0 * len(trained) + 0.6, 3.8)
    panels = figure.subplots(1, len(trained), squeeze=False)[0]
    for axes, each in zip(panels, trained, strict=True):
        longest = max(len(curve) for curves in each.curves.values() for curve in curves)
        times = (each.comparison.epochs or 1) * np.arange(1, longest + 1) / max(longest, 1)
        for number, (name, curves) in enumerate(each.curves.items()):
            # The curve of a training that diverged ends early.
            complete = [curve for curve in curves if len(curve) == max(map(len, curves))]
            if complete[0]:
                _band(axes, times, complete, name, color_of(number))
        if each.fraction is not None:
            axes.set_title(f"{each.fraction:.3g} of the training data", fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel(shown_name(trained[0].comparison.monitor.name), fontsize=8)
    panels[0].legend(fontsize=7, frameon=False)
    return figure


def _band(axes: "Axes", times: NDArray[np.floating], curves: Sequence[Sequence[float]], name: str, color: str) -> None:
    mean = np.mean(curves, axis=0)
    std = np.std(curves, axis=0, ddof=1) if len(curves) > 1 else 0.0
    times = times[: len(mean)]
    axes.plot(times, mean, color=color, label=shown_name(name), linewidth=1.4)
    axes.fill_between(times, mean - std, mean + std, color=color, alpha=0.15, linewidth=0.0)


def figure_fractions(trained: Sequence[TrainedComparison]) -> "Figure":
    """Draw the test metric over the share of the training data, with 95% confidence intervals of the means.

    Where all trainings of a loss diverged there is no point.

    Args:
        trained: of two or more fractions.

    Returns:
        One diagram with a line per loss.

    Source: the figure on data utilization of arXiv:1905.11528.
    """
    figure = make_figure(5.6, 3.8)
    axes = figure.subplots()
    fractions = [each.fraction or 1.0 for each in trained]
    for number, name in enumerate(trained[0].curves):
        results = [each.comparison.result(name) for each in trained]
        measured = [(x, result) for x, result in zip(fractions, results, strict=True) if result.is_measured]
        places, means = [x for x, _ in measured], np.array([result.mean for _, result in measured])
        ends = np.array([mean_interval(result.metrics) for _, result in measured]).reshape(-1, 2)
        errors = [means - ends[:, 0], ends[:, 1] - means]
        color = color_of(number)
        axes.errorbar(
            places, means, errors, color=color, label=shown_name(name), linewidth=1.4, capsize=2, marker="o", ms=3
        )
    axes.set_xscale("log")
    axes.set_xticks(fractions, [f"{fraction:.3g}" for fraction in fractions])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("share of the training data", fontsize=8)
    axes.set_ylabel(shown_name(trained[0].comparison.title), fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    return figure
