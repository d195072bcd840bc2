"""Immutable expression trees, and how they are written."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from glo_lightning.errors import LossError

LABEL = "y"
PREDICTION = "h"
UNARY = ("log", "sqrt", "square")
BINARY = ("+", "-", "*", "/")
MAX_INTEGER = 10**6

MAX_DEPTH = 32
"""Deepest tree that is read or trained; the papers' trees have a depth of 2 to 6."""

MAX_NODES = 512

Path = tuple[int, ...]
"""The way from the root to a node: which child to take, at every step."""


@dataclass(frozen=True)
class Node:
    """A node with the subtree below it.

    Args:
        symbol: an operator (``log``, ``sqrt``, ``square``, ``+``, ``-``, ``*``, ``/``), the label ``y``, the
            prediction ``h``, or an integer of at most a million in magnitude.
        children: its arguments, as many as the operator takes.

    Raises:
        LossError: if the symbol is unknown or has the wrong number of children.

    Example:
        >>> str(Node("*", (Node("y"), Node("log", (Node("h"),)))))
        'y * log(h)'
    """

    symbol: str | int
    children: tuple["Node", ...] = ()
    depth: int = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.children) != arity(self.symbol):
            raise LossError(
                f"{arity(self.symbol)} children below {self.symbol!r}",
                str(len(self.children)),
                "Give every operator its arguments.",
            )
        # Kept rather than computed on demand: a walk would recurse, and trees are nested by evolution.
        object.__setattr__(self, "depth", 1 + max((child.depth for child in self.children), default=-1))
        object.__setattr__(self, "size", 1 + sum(child.size for child in self.children))

    def __str__(self) -> str:
        return write(self)

    def __contains__(self, symbol: str | int) -> bool:
        """Tell whether the symbol occurs in the tree."""
        return self.symbol == symbol or any(symbol in child for child in self.children)

    def walk(self) -> Iterator[tuple[Path, "Node"]]:
        """Yield every node with its path, a node before its children, left before right."""
        yield (), self
        for place, child in enumerate(self.children):
            for path, node in child.walk():
                yield (place, *path), node

    def at(self, path: Path) -> "Node":
        """Return the node at the end of the path."""
        return self.children[path[0]].at(path[1:]) if path else self

    def replace(self, path: Path, subtree: "Node") -> "Node":
        """Return a tree with another subtree at the end of the path."""
        if not path:
            return subtree
        children = list(self.children)
        children[path[0]] = children[path[0]].replace(path[1:], subtree)
        return Node(self.symbol, tuple(children))


def arity(symbol: str | int) -> int:
    """Return how many children a symbol takes.

    Raises:
        LossError: if the symbol is not part of the language.
    """
    if symbol in UNARY:
        return 1
    if symbol in BINARY:
        return 2
    if symbol in (LABEL, PREDICTION):
        return 0
    if isinstance(symbol, int) and not isinstance(symbol, bool) and abs(symbol) <= MAX_INTEGER:
        return 0
    raise LossError(
        f"log, sqrt, square, + - * /, y, h, or an integer up to {MAX_INTEGER}",
        repr(symbol),
        "Write it with these.",
    )


def check_size(tree: Node) -> None:
    """Refuse a tree that is too large to train.

    Raises:
        LossError: if it is deeper than 32 or has more than 512 nodes.
    """
    if tree.depth > MAX_DEPTH or tree.size > MAX_NODES:
        raise LossError(
            f"an expression of depth up to {MAX_DEPTH} and up to {MAX_NODES} nodes",
            f"depth {tree.depth} and {tree.size} nodes",
            "Simplify it.",
        )


_PRECEDENCE: dict[str | int, int] = {"+": 1, "-": 1, "*": 2, "/": 2}
_LEAF_PRECEDENCE = 3


def write(tree: Node) -> str:
    """Write a tree with as few brackets as reading it back needs."""
    if not tree.children:
        return str(tree.symbol)
    if tree.symbol in UNARY:
        return f"{tree.symbol}({write(tree.children[0])})"
    precedence = _PRECEDENCE[tree.symbol]
    left, right = tree.children
    # Operators read from the left, so only a right operand of equal rank needs brackets.
    return f"{_operand(left, precedence)} {tree.symbol} {_operand(right, precedence + 1)}"


def _operand(tree: Node, least: int) -> str:
    return f"({write(tree)})" if _PRECEDENCE.get(tree.symbol, _LEAF_PRECEDENCE) < least else write(tree)
