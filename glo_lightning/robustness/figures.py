"""Accuracy under attack as a figure. Matplotlib is imported when a figure is made."""

from typing import TYPE_CHECKING

from glo_lightning.figures import color_of, make_figure, shown_name
from glo_lightning.robustness.accuracy import FGSM, PGD, TRANSFERRED_FGSM, TRANSFERRED_PGD, Robustness

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_robustness(robustness: Robustness) -> "Figure":
    """Draw the accuracy over epsilon, for FGSM and for PGD; what was made for other models is dotted.

    Returns:
        Two diagrams with a curve per model.
    """
    figure = make_figure(8.6, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, attack, transferred in zip(panels, (FGSM, PGD), (TRANSFERRED_FGSM, TRANSFERRED_PGD), strict=True):
        for number, (name, curve) in enumerate(robustness.curves.items()):
            color = color_of(number)
            axes.plot(
                robustness.epsilons, curve.accuracy[attack], "o-", color=color, label=shown_name(name), markersize=3
            )
            if transferred in curve.accuracy:
                axes.plot(robustness.epsilons, curve.accuracy[transferred], ":", color=color, linewidth=1.2)
        axes.set_title(attack, fontsize=9)
        axes.set_xlabel(r"$\varepsilon$, largest change of a pixel", fontsize=8)
        axes.set_ylim(0.0, 1.0)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel(f"accuracy on {robustness.num_images} images", fontsize=8)
    panels[0].legend(fontsize=7, frameon=False)
    return figure
