"""Losses by targets: the difference of each from cross-entropy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from glo_lightning.compare.comparison import SIGNIFICANCE, Comparison, LossResult
from page.plots import save


def matrix(comparisons: Mapping[str, Comparison]) -> str:
    """Return a Markdown table: rows are losses, columns targets; bold is better, ↓ worse, both after Holm."""
    head = ["gain over cross-entropy", *comparisons, "worse on"]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for name in _names(comparisons):
        results = [comparison.result(name) for comparison in comparisons.values()]
        worse = sum(_sign(each) < 0 for each in results)
        lines.append([name, *map(_cell, results), str(worse)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def draw_matrix(comparisons: Mapping[str, Comparison], path: Path) -> None:
    """Draw the same as coloured cells: blue is better than cross-entropy, red worse, in points of accuracy."""
    names = _names(comparisons)
    gains = np.array([[100 * _gain(each.result(name)) for each in comparisons.values()] for name in names])
    figure = Figure((1.6 + 0.62 * len(comparisons), 1.2 + 0.24 * len(names)), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(gains, cmap="RdBu", vmin=-20, vmax=20, aspect="auto")
    axis.set_xticks(range(len(comparisons)), list(comparisons), rotation=40, ha="right", fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    for row, column in np.ndindex(*gains.shape):
        colour = "white" if abs(gains[row, column]) > 13 else "black"
        axis.text(column, row, f"{gains[row, column]:+.0f}", ha="center", va="center", fontsize=6, color=colour)
    figure.colorbar(image, label="points over cross-entropy", extend="both")
    save(figure, path)


def _names(comparisons: Mapping[str, Comparison]) -> list[str]:
    """Return the losses that all targets have, without cross-entropy."""
    first, *others = comparisons.values()
    everywhere = [{each.name for each in comparison.results} for comparison in others]
    return [each.name for each in first.results[1:] if all(each.name in names for names in everywhere)]


def _gain(result: LossResult) -> float:
    return 0.0 if result.difference is None else result.difference


def _sign(result: LossResult) -> int:
    """Return 1 if the loss is better than cross-entropy by more than chance would have it, -1 if worse, else 0."""
    if result.adjusted_p is None or result.adjusted_p >= SIGNIFICANCE:
        return 0
    return 1 if _gain(result) > 0 else -1


def _cell(result: LossResult) -> str:
    told = f"{_gain(result):+.3f}".replace("0.", ".", 1)
    return {1: f"**{told}**", 0: told, -1: f"{told} ↓"}[_sign(result)]
