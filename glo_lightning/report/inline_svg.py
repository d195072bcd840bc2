"""Matplotlib figures as parts of a page: its fonts, its colours in light and dark, words for those who cannot see."""

import io
import re
from html import escape
from typing import TYPE_CHECKING

from markupsafe import Markup

from glo_lightning.figures import AMBER, BLACK, BLUE, GREEN, GREY, GRID, MUTED, ORANGE, PINK, SKY, SLATE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = {
    BLACK: "ink",
    SLATE: "ink",
    "#ffffff": "paper",
    "#333333": "muted",
    MUTED: "muted",
    GREY: "line",
    "#b2b2b2": "line",
    GRID: "grid",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    AMBER: "amber",
    PINK: "pink",
    SKY: "sky",
    "#dfe7f2": "shade",
    "#8ec5e8": "repeated",
    "#8c3b00": "violated",
    "#f0a35e": "uphill",
    "#f6d5a8": "ignoring",
    "#b9bec6": "undefined",
    "#dfe3e8": "lacking",
}
"""Colours of figures that the page's style sheet sets, as variables, once for light and once for dark."""


def inline_svg(figure: "Figure", name: str, label: str, outlines: bool = False) -> Markup:
    """Turn a figure into an SVG element.

    Args:
        figure: what to show; its background becomes transparent, and colours in ``PALETTE`` variables of the page.
        name: a word that no other figure of the page has.
        label: what the figure shows, for screen readers.
        outlines: whether to draw letters as outlines, as mathematics needs, or to leave them to the page's font.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> _ = figure.subplots().plot([1, 2], color="#0072B2")
        >>> svg = inline_svg(figure, "line", "a line")
        >>> 'aria-label="a line"' in svg, "var(--blue)" in svg, "#0072b2" in svg
        (True, True, False)
    """
    from matplotlib import rc_context

    content = io.StringIO()
    with rc_context({"svg.fonttype": "path" if outlines else "none", "svg.hashsalt": name}):
        figure.savefig(content, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.04, metadata=_NONE)
    head, _, body = content.getvalue().partition("<svg")[2].partition(">")
    width = float(_find(r'width="([\d.]+)pt"', head)) * 4 / 3
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    for color, variable in PALETTE.items():
        body = body.replace(color, f"var(--{variable})")
    view = _find(r'viewBox="([^"]+)"', head)
    return Markup(
        f'<svg viewBox="{view}" role="img" aria-label="{escape(label)}" style="width: {width:.0f}px">'
        f"{_own_ids(body, name)}"
    )


_NONE = {"Date": None, "Creator": None, "Type": None, "Format": None}
"""Metadata that would make equal figures differ, or name addresses in the net."""


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


def _own_ids(text: str, name: str) -> str:
    """Keep the ids that something in the figure refers to, under names of its own."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r'\s+id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", text)
    return re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
