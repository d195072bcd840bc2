"""Read an expression: a tokenizer and a recursive-descent parser, and nothing that could run code."""

import re
from dataclasses import dataclass
from typing import NoReturn

from glo_lightning.errors import LossError
from glo_lightning.losses.expression.nodes import (
    LABEL,
    MAX_DEPTH,
    MAX_INTEGER,
    PREDICTION,
    UNARY,
    Node,
    check_size,
)

MAX_CHARACTERS = 10_000

_TOKEN = re.compile(r"[A-Za-z_]\w*|[0-9]+|\*\*|\S", re.ASCII)
_NAMES = (LABEL, PREDICTION, *UNARY)
_CURES = {
    "x": "The label is y here, and the prediction h.",
    "**": "Write square(h), or h * h * h for higher powers.",
    "^": "Write square(h), or h * h * h for higher powers.",
    ".": "Constants are integers: write 3 / 2 for 1.5.",
    "": "Complete the expression.",
}
_LANGUAGE = "Use log, sqrt, square, + - * /, y (label), h (prediction), integers and brackets."


@dataclass(frozen=True)
class _Token:
    text: str
    position: int


def parse(text: str) -> Node:
    """Read an expression of the GLO language.

    A minus before an integer belongs to it; before anything else it multiplies by -1.

    Args:
        text: e.g. ``"log(h) - y / h"``, where y is the label and h the prediction (scaled logit).

    Returns:
        The tree; written and read again, it is the same tree.

    Raises:
        LossError: if the text is not an expression, with the position, or if the tree is too large.

    Example:
        >>> str(parse("-square(h - y)"))
        '-1 * square(h - y)'
        >>> parse("h.__class__")
        Traceback (most recent call last):
        glo_lightning.errors.LossError: Expected an operator or the end, got '.' at position 1, after 'h'. ...
    """
    if not isinstance(text, str):
        raise LossError("an expression as text", type(text).__name__, 'Pass e.g. "log(h) - y / h".')
    if len(text) > MAX_CHARACTERS:
        raise LossError(f"at most {MAX_CHARACTERS} characters", str(len(text)), "Simplify the expression.")
    tree = _Parser(text).parse()
    check_size(tree)
    return tree


class _Parser:
    """One method per rule of the grammar.

    sum = product {(+|-) product}; product = factor {(*|/) factor}; factor = - factor | leaf | name(sum) | (sum)
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tokens = [_Token(match.group(), match.start()) for match in _TOKEN.finditer(text)]
        self.tokens = [*tokens, _Token("", len(text))]
        self.place = 0
        self.nesting = 0

    def parse(self) -> Node:
        tree = self.sum()
        if self.next.text:
            self.refuse("an operator or the end")
        return tree

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def accept(self, *texts: str) -> str | None:
        text = self.next.text
        if text not in texts:
            return None
        self.place += 1
        return text

    def require(self, text: str) -> None:
        if not self.accept(text):
            self.refuse(f"'{text}'")

    def refuse(self, expected: str) -> NoReturn:
        token = self.next
        got = f"{token.text!r}" if token.text else "the end"
        before = self.text[: token.position][-30:]
        raise LossError(
            expected, f"{got} at position {token.position}, after {before!r}", _CURES.get(token.text, _LANGUAGE)
        )

    def at_integer(self) -> bool:
        return self.next.text.isascii() and self.next.text.isdecimal()

    def sum(self) -> Node:
        tree = self.product()
        while operator := self.accept("+", "-"):
            tree = Node(operator, (tree, self.product()))
        return tree

    def product(self) -> Node:
        tree = self.factor()
        while operator := self.accept("*", "/"):
            tree = Node(operator, (tree, self.factor()))
        return tree

    def factor(self) -> Node:
        # Only factors nest, so counting here keeps the recursion shallow.
        self.nesting += 1
        if self.nesting > 2 * MAX_DEPTH:
            self.refuse(f"at most {2 * MAX_DEPTH} nested brackets and signs")
        tree = self.signed()
        self.nesting -= 1
        return tree

    def signed(self) -> Node:
        if not self.accept("-"):
            return self.leaf()
        if self.at_integer():
            return self.integer(-1)
        return Node("*", (Node(-1), self.factor()))

    def leaf(self) -> Node:
        if self.at_integer():
            return self.integer(1)
        name = self.accept("(", *_NAMES)
        if name is None:
            self.refuse("y, h, an integer, log, sqrt, square or a bracket")
        if name in (LABEL, PREDICTION):
            return Node(name)
        if name == "(":
            tree = self.sum()
            self.require(")")
            return tree
        self.require("(")
        argument = self.sum()
        self.require(")")
        return Node(name, (argument,))

    def integer(self, sign: int) -> Node:
        digits = self.next.text
        if len(digits) > len(str(MAX_INTEGER)) or int(digits) > MAX_INTEGER:
            self.refuse(f"integers up to {MAX_INTEGER}")
        self.place += 1
        return Node(sign * int(digits))
