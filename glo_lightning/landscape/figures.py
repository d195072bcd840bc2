"""Surfaces as figures. Matplotlib is imported when a figure is made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from glo_lightning.figures import color_of, make_figure, shown_name
from glo_lightning.landscape.surface import Surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_landscape(surfaces: Mapping[str, Surface], radius: float) -> "Figure":
    """Draw accuracy and cross-entropy around each model, to the same scale for all.

    Args:
        surfaces: by the models' names, all along one direction or all over two.
        radius: within which the flatness is the mean accuracy; dotted.

    Returns:
        A diagram each for accuracy and cross-entropy; over two directions, one for each model.
    """
    if next(iter(surfaces.values())).accuracy.ndim == 1:
        return _lines(surfaces, radius)
    return _maps(surfaces, radius)


def _lines(surfaces: Mapping[str, Surface], radius: float) -> "Figure":
    figure = make_figure(8.6, 3.6)
    panels = figure.subplots(1, 2)
    for number, (name, surface) in enumerate(surfaces.items()):
        color = color_of(number)
        panels[0].plot(surface.coordinates, surface.accuracy, color=color, label=shown_name(name))
        panels[1].plot(surface.coordinates, surface.loss, color=color)
    for axes, title in zip(panels, ("accuracy", "cross-entropy"), strict=True):
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("step along a random direction", fontsize=8)
        axes.tick_params(labelsize=7)
        for edge in (-radius, radius):
            axes.axvline(edge, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    panels[0].set_ylim(0.0, 1.0)
    panels[0].legend(fontsize=7, frameon=False)
    return figure


def _maps(surfaces: Mapping[str, Surface], radius: float) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Circle

    losses = [surface.loss[surface.loss.isfinite()].clamp(min=1e-3) for surface in surfaces.values()]
    low, high = min(float(loss.min()) for loss in losses), max(float(loss.max()) for loss in losses)
    norms = {"accuracy": Normalize(0.0, 1.0), "cross-entropy": LogNorm(low, max(high, 1.01 * low))}
    colors = {"accuracy": "viridis", "cross-entropy": "viridis_r"}
    figure = make_figure(2.5 * len(surfaces) + 1.1, 5.2)
    panels = figure.subplots(2, len(surfaces), squeeze=False, sharex=True, sharey=True)
    for row, (kind, norm) in zip(panels, norms.items(), strict=True):
        for axes, (name, surface) in zip(row, surfaces.items(), strict=True):
            values = (surface.accuracy if kind == "accuracy" else surface.loss.clamp(min=1e-3)).numpy()
            steps = surface.coordinates.numpy()
            axes.pcolormesh(steps, steps, values.T, norm=norm, cmap=colors[kind], shading="nearest")
            axes.add_patch(Circle((0.0, 0.0), radius, fill=False, color="white", linewidth=0.8, linestyle=":"))
            axes.set_aspect("equal")
            axes.tick_params(labelsize=7)
            if kind == "accuracy":
                axes.set_title(shown_name(name), fontsize=9)
        bar = figure.colorbar(ScalarMappable(norm, colors[kind]), ax=list(row), pad=0.02)
        bar.set_label(kind, fontsize=8)
        bar.ax.tick_params(which="both", labelsize=7)
    return figure
