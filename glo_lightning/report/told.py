"""What a page tells of a loss: its formula, pictures of it, and what theory says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glo_lightning import __version__
from glo_lightning.compare.rivals import BASELINES
from glo_lightning.losses import Loss, baseline_loss
from glo_lightning.report import figures
from glo_lightning.report.equation import draw_formula
from glo_lightning.report.inline_svg import inline_svg
from glo_lightning.report.words import explain, explain_influence
from glo_lightning.theory import summarize, summarize_influence
from glo_lightning.theory.gamma import has_gamma
from glo_lightning.words import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure and its words.

    Args:
        svg: the figure.
        caption: what it shows.
        is_wide: whether it takes the whole page, and scrolls on a phone.
    """

    svg: Markup
    caption: str
    is_wide: bool = False


@dataclass(frozen=True)
class ToldLoss:
    """What a page tells of a loss.

    Args:
        formula: drawn.
        changes: whether it changes with training progress.
        answers: of theory, by question.
        pictures: of the loss.
        stored: as JSON.
    """

    formula: Markup
    changes: bool
    answers: Mapping[str, str]
    pictures: Sequence[Picture]
    stored: str

    @classmethod
    def of(cls, loss: Loss, name: str, num_classes: int, place: str = "") -> "ToldLoss":
        """Draw a loss.

        Args:
            loss: any loss.
            name: what its pictures call it.
            num_classes: of the task.
            place: tells it from other losses on the page.
        """
        return cls(
            draw(draw_formula(loss), f"formula{place}", loss.formula(), outlines=True).svg,
            "t" in map(str, loss.expression().free_symbols),
            explain_influence(summarize_influence(loss))
            if loss.outputs == "real"
            else explain(summarize(loss, num_classes)),
            _pictures(loss, name, num_classes, place),
            json.dumps(loss.to_dict(), indent=2),
        )


def draw(figure: "Figure", name: str, caption: str, outlines: bool = False) -> Picture:
    """Return a figure as a picture.

    Args:
        figure: to show.
        name: of its parts, unique on the page.
        caption: what it shows, also for who cannot see it.
        outlines: whether letters are drawn.
    """
    return Picture(inline_svg(figure, name, caption, outlines), caption)


def write_page(template: str, content: Mapping[str, Any]) -> str:
    """Write a page by its template."""
    environment = Environment(
        loader=PackageLoader("glo_lightning", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template(template).render({**content, "version": __version__})


def _pictures(loss: Loss, name: str, num_classes: int, place: str) -> list[Picture]:
    outputs = loss.outputs
    losses = {name: loss, BASELINES[outputs]: baseline_loss(outputs)}
    if outputs == "real":
        words = (
            "The loss, and the force with which a residual pulls its prediction back, over the residual in standard "
            "deviations of the training targets."
        )
        return [draw(figures.draw_influence(losses), f"influence{place}", words)]
    pictures = []
    if has_gamma(loss):
        pictures.append(
            draw(
                figures.draw_shape(loss, num_classes),
                f"shape{place}",
                "The loss of one class, and the force with which it pushes that class's scaled logit up. Only the "
                "difference between the two forces moves a sample.",
            )
        )
    pictures.append(
        draw(
            figures.draw_attraction(losses, num_classes),
            f"attraction{place}",
            "Above zero a step pulls a sample towards certainty, below it pushes it away; dots are where samples come "
            "to rest. The dotted line is where training starts.",
        )
    )
    return pictures
