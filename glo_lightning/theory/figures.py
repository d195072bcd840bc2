"""Figures of what losses do. Matplotlib is imported when a figure is made."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from glo_lightning.figures import BAD, DOUBTFUL, GOOD, NONTARGET, TARGET, color_of, make_figure, shown_name
from glo_lightning.losses import Loss
from glo_lightning.theory.attraction import attraction
from glo_lightning.theory.gamma import AnyLoss, has_gamma, label_values
from glo_lightning.theory.influence import influence, rho
from glo_lightning.theory.record import AttractionRecord
from glo_lightning.theory.regime import equilibria
from glo_lightning.theory.scale import startup_drive
from glo_lightning.theory.trainability import trainability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_shapes(losses: Mapping[str, AnyLoss], num_classes: int) -> "Figure":
    """Draw each loss and its gamma over the scaled logit, for the target and for a non-target.

    Args:
        losses: by the names to show; those without gamma (black boxes, unscaled logits) are left blank.
        num_classes: C, 2 or more.

    Returns:
        Two rows, one column per loss.

    Source: derivations.md, sections 1 and 2.
    """
    figure = make_figure(2.1 * len(losses) + 0.4, 4.2)
    axes = figure.subplots(2, len(losses), squeeze=False, sharex=True)
    for column, (name, loss) in enumerate(losses.items()):
        axes[0, column].set_title(shown_name(name), fontsize=9)
        axes[1, column].set_xlabel("h", fontsize=8)
        if has_gamma(loss):
            plot_losses(axes[0, column], loss, num_classes)
            plot_forces(axes[1, column], loss, num_classes)
    axes[0, 0].set_ylabel("loss ℓ(y, h)", fontsize=8)
    axes[1, 0].set_ylabel("force γ(h, y)", fontsize=8)
    axes[0, 0].legend(["target, y = 1", "non-target, y = 0"], fontsize=7, frameon=False)
    return figure


def plot_losses(axes: "Axes", loss: Loss, num_classes: int) -> None:
    """Plot a loss over the scaled logit, for the target and for a non-target."""
    h, target, nontarget = _scaled_logits(loss, num_classes)
    _plot_pair(axes, h, loss.elementwise(h, target), loss.elementwise(h, nontarget))


def plot_forces(axes: "Axes", loss: Loss, num_classes: int) -> None:
    """Plot a loss's gamma over the scaled logit, for the target and for a non-target."""
    h, target, nontarget = _scaled_logits(loss, num_classes)
    _plot_pair(axes, h, loss.gamma(h, target), loss.gamma(h, nontarget))


def figure_attraction(losses: Mapping[str, AnyLoss], num_classes: int, step: float = 1.0) -> "Figure":
    """Draw by how much one step changes the confidence, over the confidence; sign changes are marked.

    Args:
        losses: by the names to show.
        num_classes: C, 2 or more.
        step: size of the step on the logits.

    Returns:
        One diagram with a curve per loss.

    Source: Figure 3 of arXiv:2010.00788; derivations.md, section 5.
    """
    figure = make_figure(7.5, 4.2)
    axes = figure.subplots()
    plot_attraction(axes, losses, num_classes, [color_of(place) for place in range(len(losses))], step)
    axes.set(
        xlabel="confidence in the target, $h_T$ (dotted: the null epoch; right end: zero error)",
        ylabel="change of $h_T$ in one step",
    )
    axes.text(0.985, 0.95, "pulls towards zero error ↑", transform=axes.transAxes, ha="right", color="0.4", fontsize=8)
    axes.text(0.985, 0.03, "pushes away ↓", transform=axes.transAxes, ha="right", color="0.4", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def plot_attraction(
    axes: "Axes", losses: Mapping[str, AnyLoss], num_classes: int, colors: Sequence[str], step: float = 1.0
) -> None:
    """Plot what :func:`figure_attraction` draws, without the words around it.

    Args:
        axes: to plot on.
        losses: by their names in a legend.
        num_classes: C, 2 or more.
        colors: one per loss.
        step: size of the step on the logits.
    """
    confidence = torch.linspace(-6.5, 6.5, 801, dtype=torch.float64).sigmoid()
    for (name, loss), color in zip(losses.items(), colors, strict=True):
        change = attraction(loss, 1.0 - confidence, num_classes, step).cpu()
        axes.plot(confidence, change, color=color, label=shown_name(name), linewidth=1.6)
        for equilibrium in equilibria(loss, num_classes):
            face = color if equilibrium.stable else "white"
            axes.plot(equilibrium.confidence, 0.0, "o", color=color, markerfacecolor=face, markersize=6, zorder=5)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    axes.axvline(1.0 / num_classes, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xlim(0.0, 1.0)


def figure_start(losses: Mapping[str, AnyLoss], num_classes: int) -> "Figure":
    """Draw each loss's gradient at the null epoch relative to cross-entropy's, coloured by verdict.

    Args:
        losses: by the names to show.
        num_classes: C, 2 or more.

    Returns:
        One bar per loss.

    Source: derivations.md, sections 7.3 and 7.4.
    """
    figure = make_figure(6.5, 0.9 + 0.36 * len(losses))
    axes = figure.subplots()
    verdicts = [trainability(loss, num_classes) for loss in losses.values()]
    drives = [startup_drive(loss, num_classes) for loss in losses.values()]
    speeds = [0.0 if math.isnan(drive) else drive / num_classes for drive in drives]
    colors = [GOOD if v.stable else DOUBTFUL if v.exact else BAD for v in verdicts]
    axes.barh(list(map(shown_name, losses)), speeds, color=colors, height=0.6)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.1)
    axes.axvline(1.0, color="0.3", linewidth=0.8, linestyle=":")
    axes.axvline(0.0, color="0.3", linewidth=0.8)
    for row, (verdict, speed) in enumerate(zip(verdicts, speeds, strict=True)):
        text = "undefined" if verdict.undefined else f"×{speed:.3g}, r = {verdict.ratio:.2g}"
        axes.annotate(text, (speed, row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    axes.margins(x=0.25)
    axes.set_xlabel(
        "start-up gradient relative to cross-entropy's, and curvature ratio r\n"
        "green: trains, amber: may collapse, red: does not start",
        fontsize=8,
    )
    return figure


def figure_influence(losses: Mapping[str, Loss]) -> "Figure":
    """Draw losses of real-valued predictions and their influence over the residual.

    Args:
        losses: of the residual, by the names to show.

    Returns:
        Two diagrams side by side, with a curve per loss.

    Source: derivations.md, section 11.
    """
    figure = make_figure(7.5, 3.4)
    left, right = figure.subplots(1, 2)
    colors = [color_of(place) for place in range(len(losses))]
    plot_rho(left, losses, colors)
    plot_influence(right, losses, colors)
    left.set_ylabel("loss ρ(r)", fontsize=8)
    right.set_ylabel("influence ψ(r)", fontsize=8)
    for axes in (left, right):
        axes.set_xlabel("residual r, in standard deviations of the targets", fontsize=8)
    left.legend(fontsize=7, frameon=False)
    return figure


def plot_rho(axes: "Axes", losses: Mapping[str, Loss], colors: Sequence[str]) -> None:
    """Plot losses of real-valued predictions over the residual."""
    _plot_residuals(axes, {name: rho(loss, _residuals()) for name, loss in losses.items()}, colors)


def plot_influence(axes: "Axes", losses: Mapping[str, Loss], colors: Sequence[str]) -> None:
    """Plot the influence of losses of real-valued predictions over the residual."""
    _plot_residuals(axes, {name: influence(loss, _residuals()) for name, loss in losses.items()}, colors)


def figure_stratification(records: Mapping[str, AttractionRecord], num_bins: int = 50) -> "Figure":
    """Draw where the training samples are, epoch by epoch, and which way the loss moves them there.

    Blue samples are pulled towards zero error, red ones pushed away; stronger colours hold more samples.

    Args:
        records: by the names to show.
        num_bins: of the confidence.

    Returns:
        One diagram per record, side by side.

    Source: Figure 2 of arXiv:2010.00788; derivations.md, section 5.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, SymLogNorm

    figure = make_figure(3.6 * len(records) + 0.9, 3.4)
    panels = figure.subplots(1, len(records), squeeze=False, sharey=True)[0]
    strongest = max(1e-6, *(float(record.attraction.float().abs().max()) for record in records.values()))
    norm = SymLogNorm(linthresh=strongest / 100.0, vmin=-strongest, vmax=strongest)
    # Without the pale middle, so that a weak pull still shows its sign.
    pushes, pulls = (torch.linspace(*ends, 128).tolist() for ends in ((0.0, 0.38), (0.62, 1.0)))
    colors = ListedColormap(colormaps["RdBu"](pushes + pulls))
    for axes, (name, record) in zip(panels, records.items(), strict=True):
        image = torch.ones(num_bins, len(record.epochs), 4)
        for column, (confidence, change) in enumerate(zip(record.confidence, record.attraction, strict=True)):
            stratum = (confidence.float() * num_bins).long().clamp(0, num_bins - 1)
            count = torch.zeros(num_bins).index_add_(0, stratum, torch.ones(len(stratum)))
            mean = torch.zeros(num_bins).index_add_(0, stratum, change.float()) / count.clamp(min=1.0)
            image[:, column] = torch.from_numpy(colors(norm(mean.numpy()))).float()
            image[:, column, 3] = (count / count.max()).pow(0.35)
        first, last = float(record.epochs[0]), float(record.epochs[-1])
        axes.imshow(
            image.numpy(),
            origin="lower",
            aspect="auto",
            extent=(first - 0.5, last + 0.5, 0.0, 1.0),
            interpolation="none",
        )
        axes.set_title(shown_name(name), fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
    panels[0].set_ylabel("confidence in the target, $h_T$", fontsize=8)
    bar = figure.colorbar(ScalarMappable(norm, colors), ax=list(panels), pad=0.02)
    bar.set_label("attraction: pushed away  |  pulled in", fontsize=8)
    return figure


def _residuals() -> torch.Tensor:
    return torch.linspace(-4.0, 4.0, 801, dtype=torch.float64)


def _plot_residuals(axes: "Axes", curves: Mapping[str, torch.Tensor], colors: Sequence[str]) -> None:
    """Plot curves, and cut off those that dwarf the others."""
    for (name, values), color in zip(curves.items(), colors, strict=True):
        axes.plot(_residuals(), values, color=color, label=shown_name(name), linewidth=1.6)
    heights = [float(values.abs().max()) for values in curves.values()]
    top = min(max(heights), 6.0 * min(heights)) * 1.08 or 1.0
    axes.set_ylim(-top if min(float(values.min()) for values in curves.values()) < 0.0 else -0.05 * top, top)
    axes.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    axes.axvline(0.0, color="0.7", linewidth=0.8, zorder=0)
    axes.tick_params(labelsize=7)


def _scaled_logits(loss: Loss, num_classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a grid of scaled logits, and the labels of the target and of a non-target there."""
    h = torch.linspace(0.0, 1.0, 401, dtype=torch.float64)[1:-1]
    nontarget, target = (torch.full_like(h, label) for label in label_values(loss, num_classes))
    return h, target, nontarget


def _plot_pair(axes: "Axes", h: torch.Tensor, target: torch.Tensor, nontarget: torch.Tensor) -> None:
    """Plot two curves, and limit the axis to what they do away from their poles."""
    axes.plot(h, target.cpu(), color=TARGET, linewidth=1.4)
    axes.plot(h, nontarget.cpu(), color=NONTARGET, linewidth=1.4)
    middle = torch.cat([target, nontarget])[torch.cat([h, h]) > 0.08]
    middle = middle[middle.isfinite()]
    if len(middle):
        low, high = float(middle.min()), float(middle.max())
        margin = 0.08 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
    axes.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    axes.tick_params(labelsize=7)
