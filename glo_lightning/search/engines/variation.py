"""Random growth, recombination and the four mutations of expression trees, as GLO has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from glo_lightning.errors import SettingsError
from glo_lightning.losses.expression import Node
from glo_lightning.losses.expression.nodes import (
    BINARY,
    LABEL,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NODES,
    PREDICTION,
    UNARY,
    Path,
    arity,
)

LEAVES: tuple[str | int, ...] = (LABEL, PREDICTION, 1, -1)
OPERATORS = (*UNARY, *BINARY)
WEIGHTS: dict[str | int, float] = {"log": 3.0, LABEL: 3.0, PREDICTION: 3.0, "sqrt": 2.0}
"""How much likelier than the other symbols these are drawn."""


@dataclass(frozen=True)
class Variation:
    """The rates at which trees recombine and mutate, and the operations themselves.

    Args:
        recombination: probability that two parents swap subtrees, in [0, 1].
        integer: probability that an integer leaf changes by 1, per integer leaf.
        symbol: probability that a node becomes a random one of the same arity, per node.
        leaf: probability that a subtree becomes a random leaf, per operator.
        operator: probability that a leaf becomes a random operator with random leaves, per leaf.
        initial_depth: greatest depth of random trees, 1 to ``max_depth``; a leaf alone has depth 0.
        max_depth: a change that would make a tree deeper is dropped, up to 32.

    Source: GLO, section 3.
    """

    recombination: float = 0.8
    integer: float = 0.05
    symbol: float = 0.05
    leaf: float = 0.025
    operator: float = 0.025
    initial_depth: int = 2
    max_depth: int = 10

    def __post_init__(self) -> None:
        for name in ("recombination", "integer", "symbol", "leaf", "operator"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(f"a probability for {name}", repr(getattr(self, name)), "Pass a number in [0, 1].")
        if not 1 <= self.initial_depth <= self.max_depth <= MAX_DEPTH:
            raise SettingsError(
                f"1 <= initial_depth <= max_depth <= {MAX_DEPTH}",
                f"initial_depth {self.initial_depth} and max_depth {self.max_depth}",
                "Use 2 and 10, the defaults.",
            )

    def grow(self, rng: Generator) -> Node:
        """Draw a random tree, every node by its weight out of all that still fit."""
        return _grow(rng, self.initial_depth)

    def recombine(self, rng: Generator, first: Node, second: Node) -> tuple[Node, Node]:
        """Swap a random subtree of one parent with one of the other; a child too large gives way to its parent."""
        path, other_path = _draw_path(rng, first), _draw_path(rng, second)
        child = first.replace(path, second.at(other_path))
        other_child = second.replace(other_path, first.at(path))
        return child if self._fits(child) else first, other_child if self._fits(other_child) else second

    def mutate(self, rng: Generator, tree: Node) -> tuple[Node, tuple[str, ...]]:
        """Change a tree from the leaves up.

        Args:
            rng: source of randomness.
            tree: the tree.

        Returns:
            The changed tree and the names of the mutations that happened; the tree itself if it would grow too large.
        """
        mutated, names = self._mutate(rng, tree)
        return (mutated, names) if self._fits(mutated) else (tree, ())

    def _mutate(self, rng: Generator, node: Node) -> tuple[Node, tuple[str, ...]]:
        below = [self._mutate(rng, child) for child in node.children]
        node = Node(node.symbol, tuple(child for child, _ in below))
        names = [name for _, child_names in below for name in child_names]
        if isinstance(node.symbol, int) and rng.random() < self.integer:
            step = 1 if rng.random() < 0.5 else -1
            node = Node(int(np.clip(node.symbol + step, -MAX_INTEGER, MAX_INTEGER)))
            names.append("integer")
        if rng.random() < self.symbol:
            node = Node(draw(rng, _same_arity(node)), node.children)
            names.append("symbol")
        if node.children:
            if rng.random() < self.leaf:
                node = Node(draw(rng, LEAVES))
                names.append("leaf")
        elif rng.random() < self.operator:
            symbol = draw(rng, OPERATORS)
            node = Node(symbol, tuple(Node(draw(rng, LEAVES)) for _ in range(arity(symbol))))
            names.append("operator")
        return node, tuple(names)

    def _fits(self, tree: Node) -> bool:
        return tree.depth <= self.max_depth and tree.size <= MAX_NODES


def draw(rng: Generator, symbols: Sequence[str | int]) -> str | int:
    """Draw one of the symbols by its weight."""
    weights = np.array([WEIGHTS.get(symbol, 1.0) for symbol in symbols])
    return symbols[int(rng.choice(len(symbols), p=weights / weights.sum()))]


def _grow(rng: Generator, depth: int) -> Node:
    symbol = draw(rng, (*LEAVES, *OPERATORS) if depth else LEAVES)
    return Node(symbol, tuple(_grow(rng, depth - 1) for _ in range(arity(symbol))))


def _draw_path(rng: Generator, tree: Node) -> Path:
    paths = [path for path, _ in tree.walk()]
    return paths[int(rng.integers(len(paths)))]


def _same_arity(node: Node) -> Sequence[str | int]:
    return (LEAVES, UNARY, BINARY)[len(node.children)]
