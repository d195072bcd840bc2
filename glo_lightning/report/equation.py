"""A loss's formula as a picture, for where LaTeX is not rendered."""

import re
from typing import TYPE_CHECKING

from glo_lightning.figures import make_figure
from glo_lightning.losses import Loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 38
"""Symbols that a line of a formula holds before it is broken: as many as a phone shows."""

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|.", flags=re.DOTALL)


def draw_formula(loss: Loss) -> "Figure":
    """Draw a loss's formula from its LaTeX, broken into lines.

    Args:
        loss: any loss.

    Returns:
        A figure to be saved with ``bbox_inches="tight"``.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> [text.get_text() for text in draw_formula(CrossEntropyLoss()).texts]
        ['$L = - \\\\sum_i y_{i} \\\\log{\\\\left(h_{i} \\\\right)}$']
    """
    figure = make_figure(1.0, 1.0, constrained=False)
    latex = loss.formula("latex").replace(r"\limits", "")  # which Matplotlib does not know
    for place, line in enumerate(break_latex(latex)):
        figure.text(
            0.0 if place == 0 else 0.35,
            -0.42 * place,
            f"${line}$",
            fontsize=14.0,
            math_fontfamily="cm",
            va="baseline",
        )
    return figure


def break_latex(latex: str, width: int = LINE) -> list[str]:
    r"""Break LaTeX before plus and minus signs, in sums and in the outermost parentheses.

    Args:
        latex: one line of mathematics.
        width: symbols per line, unless nothing can be broken.

    Example:
        >>> break_latex(r"L = \sum_i \left(h_{i}^{2} + y_{i} - h_{i}\right)", width=10)
        ['L = \\sum_i (h_{i}^{2}', '{}+ y_{i} {}- h_{i})']
    """
    if _length(latex) <= width:
        return [latex]
    lines, line = [], ""
    for part in _split(latex.replace(r"\left(", "(").replace(r"\right)", ")")):
        if line and _length(line + part) > width:
            lines.append(line.strip())
            line = ""
        line += part
    return [*lines, line.strip()]


def _split(latex: str) -> list[str]:
    parts, braces, parentheses = [""], 0, 0
    for token in _TOKEN.findall(latex):
        braces += (token == "{") - (token == "}")
        parentheses += (token == "(") - (token == ")")
        if token in "+-" and braces == 0 and parentheses <= 1 and parts[-1].rstrip()[-1:] not in ("(", "=", ""):
            parts.append("{}")  # what stands before a sign makes it binary, and sets it apart
        parts[-1] += token
    return parts


def _length(latex: str) -> int:
    return len(re.sub(r"[\s{}_^]", "", re.sub(r"\\[a-zA-Z]+", "x", latex)))
