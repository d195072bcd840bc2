"""Expressions as sympy sees them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from glo_lightning.losses.expression.nodes import PREDICTION, Node, Path

if TYPE_CHECKING:
    import sympy

MAX_CANONICAL_NODES = 24
MAX_CANONICAL_DEGREE = 8
"""Larger expressions are left as they are. Limits on size, not time, give every machine the same form."""

MAX_BITS = 1000
"""Integers beyond which a number of double precision is infinite, and sympy would count for hours."""


def to_sympy(tree: Node, coefficients: Mapping[Path, float] | None = None, positive: bool = False) -> "sympy.Expr":
    """Convert an expression.

    Args:
        tree: the expression.
        coefficients: factors of the nodes at some paths.
        positive: whether sympy may take h and y for positive.

    Returns:
        The same function of the symbols y and h, as far simplified as sympy always does. Where powers would make
        integers of hundreds of digits, numbers are rounded to double precision.
    """
    import sympy

    coefficients = coefficients or {}
    number = sympy.Integer if _bits(tree) <= MAX_BITS else sympy.Float

    def convert(node: Node, path: Path) -> sympy.Expr:
        arguments = [convert(child, (*path, place)) for place, child in enumerate(node.children)]
        match node.symbol, arguments:
            case "log", [a]:
                value = sympy.log(a)
            case "sqrt", [a]:
                value = sympy.sqrt(a)
            case "square", [a]:
                value = a**2
            case "+", [a, b]:
                value = a + b
            case "-", [a, b]:
                value = a - b
            case "*", [a, b]:
                value = a * b
            case "/", [a, b]:
                value = a / b
            case int(), _:
                value = number(node.symbol)
            case _:
                value = sympy.Symbol(node.symbol, positive=positive or None)
        return coefficients.get(path, 1) * value

    return convert(tree, ())


def simplify(tree: Node) -> "sympy.Expr | None":
    """Simplify an expression and leave out its terms without h, which have no gradient.

    Args:
        tree: the expression.

    Returns:
        An expression in positive symbols y and h with the same gamma; None if the tree is too large to simplify
        quickly, or undefined somewhere on the grid of hard labels, where simplifying could define it.
    """
    import sympy

    from glo_lightning.losses.expression.domain import definedness  # needs torch, which reading and writing do not

    if tree.size > MAX_CANONICAL_NODES or _degree(tree) > MAX_CANONICAL_DEGREE or definedness(tree).share < 1.0:
        return None
    expression = to_sympy(tree, positive=True)
    expression = sympy.expand(sympy.cancel(expression))
    return expression.as_independent(sympy.Symbol(PREDICTION, positive=True), as_Add=True)[1]


def simplified_text(tree: Node) -> str:
    """Return the text that expressions equal up to algebra share, as far as simplifying is quick.

    Args:
        tree: the expression.

    Example:
        >>> from glo_lightning.losses.expression.parser import parse
        >>> simplified_text(parse("log(h * h) / 2 - (y + h) / h")), simplified_text(parse("log(h) - y / h"))
        ('log(h) - y/h', 'log(h) - y/h')
    """
    expression = simplify(tree)
    return str(tree) if expression is None else str(expression)


def _bits(tree: Node) -> int:
    """Bound the length of the integers that adding, multiplying and squaring could make."""
    if not tree.children:
        return tree.symbol.bit_length() if isinstance(tree.symbol, int) else 1
    below = sum(map(_bits, tree.children))
    return 2 * below if tree.symbol == "square" else below


def _degree(tree: Node) -> int:
    """Bound the degree that expanding could reach."""
    degrees = [_degree(child) for child in tree.children]
    match tree.symbol:
        case "log" | "y" | "h":
            return 1
        case "square":
            return 2 * degrees[0]
        case "*" | "/":
            return sum(degrees)
        case _:
            return max(degrees, default=0)
