"""One palette, and one way to make and to write a figure.

Matplotlib is imported when a figure is made, and its global state never touched.
"""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from glo_lightning.extras import require_extra
from glo_lightning.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart too.
BLACK, BLUE, ORANGE, AMBER = "#000000", "#0072b2", "#d55e00", "#e69f00"
GREEN, PINK, SKY, GREY = "#009e73", "#cc79a7", "#56b4e9", "#999999"
COLORS = (BLACK, BLUE, ORANGE, AMBER, GREEN, PINK, SKY, GREY)

SLATE, MUTED, GRID = "#2f3e52", "#666666", "#ebebeb"
"""Of what is written or drawn around the data."""

DPI = 110
"""Dots per inch of a figure in a file."""

TARGET, NONTARGET = BLUE, ORANGE
GOOD, DOUBTFUL, BAD = GREEN, AMBER, ORANGE


def color_of(place: int) -> str:
    """Return the colour of the curve in a place, counted from 0; after the last colour comes the first again."""
    return COLORS[place % len(COLORS)]


def make_figure(width: float, height: float, constrained: bool = True) -> "Figure":
    """Make an empty figure.

    Args:
        width: in inches.
        height: in inches.
        constrained: whether Matplotlib makes room for labels and titles.

    Raises:
        EnvironmentMismatchError: if Matplotlib is missing.
    """
    require_extra("figures", "figures")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained" if constrained else None)


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, whole, and without the versions that would make equal figures differ."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    write_whole(Path(path), content.getvalue())


def shown_name(name: str) -> str:
    r"""Return somebody's name of something as Matplotlib shows it.

    Between two dollars it would see mathematics, and a legend leaves out what starts with an underscore.

    Example:
        >>> print(shown_name("run$a_$"))
        run\$a_\$
    """
    text = name.replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text
