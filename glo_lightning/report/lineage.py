"""The lineage of a tree loss: which trees it descends from, and a figure of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glo_lightning.losses.expression import Node, parse
from glo_lightning.losses.expression.nodes import Path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Slot = tuple[int, int]
"""A candidate's generation and index."""

NEW, KEPT, INK = "#e4572e", "#dfe7f2", "#2f3e52"

_SIGNS: dict[str | int, str] = {"-": "−", "*": "×", "/": "÷", "square": "( )²", "sqrt": "√"}


@dataclass(frozen=True)
class Candidate:
    """What a lineage needs to know of a candidate.

    Args:
        expression: its text.
        operation: how it came about.
        parents: their slots; the first gave the root.
        mutations: what happened to it afterwards.
        score: higher is better; None if it has none.
    """

    expression: str
    operation: str
    parents: tuple[Slot, ...] = ()
    mutations: tuple[str, ...] = ()
    score: float | None = None


@dataclass(frozen=True)
class Ancestor:
    """One step of a lineage.

    Args:
        slot: the candidate's generation and index.
        candidate: the candidate.
        mate: the parent that gave it a subtree, if two parents recombined.
    """

    slot: Slot
    candidate: Candidate
    mate: Candidate | None = None


def trace_lineage(candidates: Mapping[Slot, Candidate], winner: Slot) -> list[Ancestor]:
    """Follow a candidate's roots back to the first generation.

    Generations that carried a tree over unchanged are left out.

    Args:
        candidates: all candidates of a search by slot.
        winner: the candidate to trace.

    Returns:
        The line of descent, oldest first, the winner last.

    Raises:
        KeyError: if the winner or an ancestor is missing.

    Example:
        >>> candidates = {
        ...     (0, 0): Candidate("y * h", "random"),
        ...     (0, 1): Candidate("log(h)", "random"),
        ...     (1, 0): Candidate("y * log(h)", "recombination", parents=((0, 0), (0, 1)), score=0.9),
        ...     (2, 0): Candidate("y * log(h)", "elite", parents=((1, 0),), score=0.9),
        ... }
        >>> [ancestor.candidate.expression for ancestor in trace_lineage(candidates, (2, 0))]
        ['y * h', 'y * log(h)']
    """
    line: list[Ancestor] = []
    slot: Slot | None = winner
    while slot is not None:
        candidate = candidates[slot]
        mate = candidates[candidate.parents[1]] if len(candidate.parents) > 1 else None
        if line and line[-1].candidate.expression == candidate.expression:
            line.pop()
        line.append(Ancestor(slot, candidate, mate))
        slot = candidate.parents[0] if candidate.parents else None
    return line[::-1]


def draw_lineage(lineage: Sequence[Ancestor]) -> "Figure":
    """Draw a line of descent: one row per change, the tree on the left and its mate on the right.

    Parts that differ from the row above are filled.

    Args:
        lineage: ancestors, oldest first, one or more.

    Returns:
        A figure; ``figure.savefig(path)`` writes it.

    Example:
        >>> lineage = [Ancestor((0, 3), Candidate("log(h) - y / h", "random", score=0.94))]
        >>> len(draw_lineage(lineage).axes)
        2

    Source: GLO, section 3.
    """
    from matplotlib.figure import Figure

    trees = [parse(ancestor.candidate.expression) for ancestor in lineage]
    heights = [1.0 + 0.5 * tree.depth for tree in trees]
    figure = Figure(figsize=(9.0, 0.6 + sum(heights)), layout="constrained")
    rows = figure.subplots(len(lineage), 2, squeeze=False, height_ratios=heights, width_ratios=(3, 2))
    before: Node | None = None
    for (axes, mate_axes), ancestor, tree in zip(rows, lineage, trees, strict=True):
        _draw_tree(axes, tree, set(changed_paths(before, tree)) if before else set())
        axes.set_title(_title(ancestor), fontsize=9, loc="left", color=INK)
        mate_axes.axis("off")
        if ancestor.mate is not None:
            _draw_tree(mate_axes, parse(ancestor.mate.expression), set())
            mate_axes.set_title(f"with a part of\n{ancestor.mate.expression}", fontsize=8, loc="left", color=INK)
        before = tree
    return figure


def changed_paths(before: Node, after: Node, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of a tree's nodes that another tree does not have in the same place.

    Example:
        >>> list(changed_paths(parse("y * h"), parse("y * log(h)")))
        [(1,), (1, 0)]
    """
    if before.symbol != after.symbol:
        yield from ((*path, *below) for below, _ in after.walk())
        return
    for place, (old, new) in enumerate(zip(before.children, after.children, strict=True)):
        yield from changed_paths(old, new, (*path, place))


def _title(ancestor: Ancestor) -> str:
    candidate = ancestor.candidate
    steps = " + ".join((candidate.operation, *candidate.mutations))
    score = "" if candidate.score is None else f", score {candidate.score:.4f}"
    return f"generation {ancestor.slot[0]}: {steps}{score}\n{candidate.expression}"


def _draw_tree(axes: "Axes", tree: Node, new: set[Path]) -> None:
    places = _lay_out(tree)
    for path, node in tree.walk():
        x, y = places[path]
        if path:
            above = places[path[:-1]]
            axes.plot([above[0], x], [above[1], y], color=INK, linewidth=1.0, zorder=1)
        fill, ink = (NEW, "white") if path in new else (KEPT, INK)
        box = {"boxstyle": "round,pad=0.3", "facecolor": fill, "edgecolor": INK, "linewidth": 0.8}
        axes.text(x, y, _SIGNS.get(node.symbol, str(node.symbol)), ha="center", va="center", color=ink, bbox=box)
    axes.set_xlim(-0.7, max(x for x, _ in places.values()) + 0.7)
    axes.set_ylim(-tree.depth - 0.5, 0.5)
    axes.axis("off")


def _lay_out(tree: Node) -> dict[Path, tuple[float, float]]:
    """Place leaves side by side and every operator above the middle of what it works on."""
    places: dict[Path, tuple[float, float]] = {}
    num_leaves = 0

    def place(node: Node, path: Path) -> float:
        nonlocal num_leaves
        below = [place(child, (*path, k)) for k, child in enumerate(node.children)]
        if not below:
            below = [float(num_leaves)]
            num_leaves += 1
        places[path] = (sum(below) / len(below), -float(len(path)))
        return places[path][0]

    place(tree, ())
    return places
