"""Where an expression is defined: finite in value and in slope."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from glo_lightning.losses.expression.evaluation import Point, evaluate
from glo_lightning.losses.expression.nodes import Node, Path

HARD_LABELS = (0.0, 1.0)


@dataclass(frozen=True)
class Definedness:
    """What a grid of scaled logits and labels says about an expression.

    Args:
        share: share of the grid where value and slope are finite, in [0, 1].
        reason: the innermost part that is undefined and where, or empty.
    """

    share: float
    reason: str = ""


def make_grid(labels: tuple[float, ...] = HARD_LABELS) -> tuple[Tensor, Tensor]:
    """Return a fixed grid of scaled logits between 0.0009 and 0.9991, once per label.

    Args:
        labels: label values as the loss sees them, each in [0, 1].

    Returns:
        h and y, shape (29 * len(labels),) each, float64, on the CPU.
    """
    h = torch.linspace(-7.0, 7.0, 29, dtype=torch.float64, device="cpu").sigmoid()
    y = torch.tensor(labels, dtype=torch.float64, device="cpu")
    return h.repeat(len(labels)), y.repeat_interleave(len(h))


def definedness(
    tree: Node, coefficients: Mapping[Path, Tensor] | None = None, labels: tuple[float, ...] = HARD_LABELS
) -> Definedness:
    """Look where an expression is defined.

    Args:
        tree: the expression.
        coefficients: factors of nodes, as :func:`evaluate` takes them, float64; 1 by default.
        labels: label values as the loss sees them.

    Returns:
        The share of the grid where it is, and the part to blame elsewhere.

    Example:
        >>> from glo_lightning.losses.expression.parser import parse
        >>> definedness(parse("log(h) - y / h")).share
        1.0
        >>> definedness(parse("1 + log(y - h)")).reason
        'log(y - h) is undefined at h = 0.00091, y = 0'
    """
    coefficients = coefficients or {}
    h, y = make_grid(labels)
    finite = _finite(tree, coefficients, h, y)
    if bool(finite.all()):
        return Definedness(1.0)
    culprit = _innermost_undefined(tree, coefficients, h, y)
    first = int((~finite).nonzero()[0])
    place = f"h = {float(h[first]):.2g}, y = {float(y[first]):.3g}"
    return Definedness(float(finite.double().mean()), f"{culprit} is undefined at {place}")


def _innermost_undefined(tree: Node, coefficients: Mapping[Path, Tensor], h: Tensor, y: Tensor) -> Node:
    for place, child in enumerate(tree.children):
        below = {path[1:]: value for path, value in coefficients.items() if path[:1] == (place,)}
        if not bool(_finite(child, below, h, y).all()):
            return _innermost_undefined(child, below, h, y)
    return tree


def _finite(tree: Node, coefficients: Mapping[Path, Tensor], h: Tensor, y: Tensor) -> Tensor:
    # Plain autograd: a search asks this of thousands of trees, and torch.func costs ten times as much.
    with torch.enable_grad():
        x = h.clone().requires_grad_()
        value = evaluate(tree, Point.from_scaled_logits(x, y), coefficients)
        finite = value.isfinite()
        if not value.requires_grad:
            return finite
        (slope,) = torch.autograd.grad(value.sum(), x)
    return finite & slope.isfinite()
