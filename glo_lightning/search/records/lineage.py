"""The lineage of a tree loss: which trees it descends from, and a figure of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

from glo_lightning.figures import ORANGE, SLATE, make_figure
from glo_lightning.losses.expression import Node, parse
from glo_lightning.losses.expression.coefficients import coefficient_paths
from glo_lightning.losses.expression.nodes import Path
from glo_lightning.search.engines import Slot
from glo_lightning.search.records.candidates import CandidateRecord
from glo_lightning.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEW, KEPT = ORANGE, "#dfe7f2"

UNIT = 0.45
"""Inches between neighbouring leaves, and between a node and the next below it; lengths here are in units."""

MIN_WIDTH, GAP, ROW_WIDTH, LINE, ROOMY = 5.0, 1.2, 25.0, 0.34, 1.7
CAPTION_COLUMNS = 34

_SIGNS: dict[str | int, str] = {"-": "−", "*": "×", "/": "÷", "square": "( )²", "sqrt": "√"}


@dataclass(frozen=True)
class Candidate:
    """What a lineage needs to know of a candidate.

    Args:
        expression: its text.
        operation: how it came about.
        parents: their slots; the first gave the root.
        mutations: what happened to it afterwards.
        metric: the monitored one; None if it has none.
    """

    expression: str
    operation: str
    parents: tuple[Slot, ...] = ()
    mutations: tuple[str, ...] = ()
    metric: float | None = None


@dataclass(frozen=True)
class Ancestor:
    """One step of a lineage.

    Args:
        slot: the candidate's generation and index.
        candidate: the candidate.
        mate: the parent that gave it a subtree, if two parents recombined.
        coefficients: by node, if they have been tuned.
        formula: of the loss with these coefficients, or empty.
    """

    slot: Slot
    candidate: Candidate
    mate: Candidate | None = None
    coefficients: Mapping[Path, float] = field(default_factory=dict)
    formula: str = ""


def trace_lineage(candidates: Mapping[Slot, Candidate], winner: Slot) -> list[Ancestor]:
    """Follow a candidate's roots back to the first generation, or to a parent that is unknown.

    Generations that carried a tree over unchanged are left out.

    Args:
        candidates: all candidates of a search by slot.
        winner: the candidate to trace.

    Returns:
        The line of descent, oldest first, the winner last.

    Raises:
        KeyError: if the winner is missing.

    Example:
        >>> candidates = {
        ...     (0, 0): Candidate("y * h", "random"),
        ...     (0, 1): Candidate("log(h)", "random"),
        ...     (1, 0): Candidate("y * log(h)", "recombination", parents=((0, 0), (0, 1)), metric=0.9),
        ...     (2, 0): Candidate("y * log(h)", "elite", parents=((1, 0),), metric=0.9),
        ... }
        >>> [ancestor.candidate.expression for ancestor in trace_lineage(candidates, (2, 0))]
        ['y * h', 'y * log(h)']
    """
    line: list[Ancestor] = []
    slot, candidate = winner, candidates[winner]
    while True:
        mate = candidates.get(candidate.parents[1]) if len(candidate.parents) > 1 else None
        if line and line[-1].candidate.expression == candidate.expression:
            line.pop()
        line.append(Ancestor(slot, candidate, mate))
        # Parents whose training failed have no record.
        if not candidate.parents or candidate.parents[0] not in candidates:
            return line[::-1]
        slot = candidate.parents[0]
        candidate = candidates[slot]


def candidates_of(records: Sequence[CandidateRecord]) -> dict[Slot, Candidate]:
    """Read the candidates of a search over trees by slot; repetitions have the score of their original."""
    metrics = {record.slot: record.metric for record in records}
    candidates = {}
    for record in records:
        origin = record.origin
        original = record.slot if origin["repeats"] is None else Slot(*origin["repeats"])
        candidates[record.slot] = Candidate(
            record.parameters["expression"],
            origin["operation"],
            tuple(Slot(*parent) for parent in origin["parents"]),
            tuple(origin["mutations"]),
            metrics.get(original),
        )
    return candidates


def tuned(expression: str, record: CandidateRecord) -> Ancestor:
    """Return the last step of a lineage, from an expression to a candidate of the search for its coefficients."""
    paths = coefficient_paths(parse(expression))
    return Ancestor(
        record.slot,
        Candidate(expression, "coefficients by CMA-ES", metric=record.metric),
        coefficients={path: record.parameters[f"c_{k}"] for k, path in enumerate(paths)},
        formula=record.formula,
    )


def trace_descent(final: CandidateRecord, trees: Sequence[CandidateRecord], expression: str = "") -> list[Ancestor]:
    """Follow a candidate of any stage back through the trees.

    Args:
        final: the candidate.
        trees: all candidates of the search over trees.
        expression: whose coefficients it has; empty for a tree, which has none.

    Returns:
        The line of descent, oldest first; tuned coefficients come last.
    """
    if not expression:
        return trace_lineage(candidates_of(trees), final.slot)
    tree = next(candidate for candidate in trees if candidate.parameters["expression"] == expression)
    return [*trace_lineage(candidates_of(trees), tree.slot), tuned(expression, final)]


def draw_lineage(lineage: Sequence[Ancestor], metric: str = "score", row_width: float = ROW_WIDTH) -> "Figure":
    """Draw a line of descent: one tree per change, in reading order.

    Nodes that differ from the tree before, and those with a coefficient, are filled in orange.

    Args:
        lineage: ancestors, oldest first, one or more.
        metric: what the scores are.
        row_width: leaves that fit side by side.

    Returns:
        A figure; ``figure.savefig(path)`` writes it.

    Example:
        >>> lineage = [Ancestor((0, 3), Candidate("log(h) - y / h", "random", metric=0.94))]
        >>> [text.get_text() for text in draw_lineage(lineage).axes[0].texts[2:]]
        ['−', 'log', 'h', '÷', 'y', 'h']

    Source: GLO, section 3.
    """
    figure = make_figure(1.0, 1.0, constrained=False)  # resized below
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    left = top = right = height = 0.0
    before: Node | None = None
    for ancestor in lineage:
        tree = parse(ancestor.candidate.expression)
        places = _lay_out(tree, ROOMY if ancestor.coefficients else 1.0)
        breadth = max(across for across, _ in places.values())
        width = max(breadth + 1.0, MIN_WIDTH) + GAP
        if left + width > row_width and left > 0.0:
            left, top, height = 0.0, top - height, 0.0
        if left > 0.0:
            axes.annotate(
                "", (left, top - 0.6), (left - 0.8, top - 0.6), arrowprops={"arrowstyle": "->", "color": SLATE}
            )
        caption = _caption(ancestor, metric)
        axes.text(left + 0.3, top - 0.4, _headline(ancestor), va="top", color=SLATE, fontsize=8.5, weight="bold")
        axes.text(left + 0.3, top - 0.85, "\n".join(caption), va="top", color=SLATE, fontsize=8, linespacing=1.3)
        root = top - 1.6 - LINE * len(caption)
        shift = left + 0.3 + (width - GAP - breadth) / 2
        placed = {path: (shift + across, root + down) for path, (across, down) in places.items()}
        _draw_tree(axes, tree, placed, set(changed_paths(before, tree)) if before else set(), ancestor.coefficients)
        left += width
        right = max(right, left)
        height = max(height, top - root + tree.depth + 0.8)
        before = tree
    axes.set_xlim(0.0, right)
    axes.set_ylim(top - height, 0.0)
    figure.set_size_inches(right * UNIT, (height - top) * UNIT)
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


def _headline(ancestor: Ancestor) -> str:
    return ("tuning, " if ancestor.coefficients else "") + f"generation {ancestor.slot[0] + 1}"


def _caption(ancestor: Ancestor, metric: str) -> list[str]:
    candidate = ancestor.candidate
    steps = [" + ".join((candidate.operation, *candidate.mutations))]
    if ancestor.mate is not None:
        steps.append(f"with a part of {ancestor.mate.expression}")
    if candidate.metric is not None:
        steps.append(f"{metric} {number(candidate.metric)}")
    steps.append(ancestor.formula or candidate.expression)
    return [line for step in steps for line in wrap(step, CAPTION_COLUMNS)]


def _draw_tree(
    axes: "Axes",
    tree: Node,
    places: Mapping[Path, tuple[float, float]],
    new: set[Path],
    coefficients: Mapping[Path, float],
) -> None:
    for path, node in tree.walk():
        x, y = places[path]
        if path:
            above = places[path[:-1]]
            axes.plot([above[0], x], [above[1], y], color=SLATE, linewidth=1.0, zorder=1)
        sign = _SIGNS.get(node.symbol, str(node.symbol))
        if path in coefficients:
            sign = f"{coefficients[path]:.3g} · {sign}"
        fill, ink = (NEW, "white") if path in new or path in coefficients else (KEPT, SLATE)
        box = {"boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": SLATE, "linewidth": 0.8}
        axes.text(x, y, sign, ha="center", va="center", color=ink, fontsize=9, bbox=box)


def _lay_out(tree: Node, spacing: float) -> dict[Path, tuple[float, float]]:
    """Place leaves side by side and every operator above the middle of what it works on."""
    places: dict[Path, tuple[float, float]] = {}
    num_leaves = 0

    def place(node: Node, path: Path) -> float:
        nonlocal num_leaves
        below = [place(child, (*path, k)) for k, child in enumerate(node.children)]
        if not below:
            below = [num_leaves * spacing]
            num_leaves += 1
        places[path] = (sum(below) / len(below), -float(len(path)))
        return places[path][0]

    place(tree, ())
    return places
