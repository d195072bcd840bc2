"""Evaluate an expression so that it stays finite wherever the mathematical function is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from glo_lightning.losses.expression.nodes import LABEL, PREDICTION, Node, Path


def largest_exponent(dtype: torch.dtype) -> float:
    """Return the exponent that a negative power of h, as a power of e, is bounded by: it leaves room to sum a batch.

    Example:
        >>> round(largest_exponent(torch.float32), 2)
        79.85
    """
    return 0.9 * math.log(torch.finfo(dtype).max)


@dataclass(frozen=True)
class Point:
    """Where an expression is evaluated.

    Args:
        h: scaled logits, shape (..., C), floating.
        log_h: their logarithms, shape (..., C); finite where h underflows.
        y: labels, shape (..., C).
        least: what no power of h falls below; None where h is taken as it is, 0 included.
    """

    h: Tensor
    log_h: Tensor
    y: Tensor
    least: float | None = None

    @classmethod
    def from_scaled_logits(cls, h: Tensor, y: Tensor) -> "Point":
        """Take h, shape (..., C), as it is."""
        return cls(h, h.log(), y)

    @classmethod
    def from_logarithms(cls, log_h: Tensor, y: Tensor) -> "Point":
        """Take log-softmax, shape (..., C).

        Softmax never reaches 0 or 1; where rounding does, the nearest number between them stands in. So it does for the
        powers of h: the slope of ``log(h * h + y)`` would be infinite where ``h * h`` rounds to 0, but h does not.
        """
        limits = torch.finfo(log_h.dtype)
        log_h = log_h.clamp(max=-limits.eps / 2)
        return cls(log_h.exp().clamp(min=limits.tiny), log_h, y, limits.tiny)


@dataclass(frozen=True)
class _Value:
    """``h^h_power y^y_power rest``: powers wait apart, so that 1 / h never overflows before it meets a zero."""

    rest: Tensor
    h_power: float = 0.0
    y_power: float = 0.0


def is_for_target_alone(tree: Node) -> bool:
    """Tell whether an expression is a multiple of the label, so that it is 0 where that is."""
    if tree.symbol in ("+", "-"):
        return all(map(is_for_target_alone, tree.children))
    if tree.symbol == "*":
        return any(map(is_for_target_alone, tree.children))
    if tree.symbol in ("/", "sqrt", "square"):
        return is_for_target_alone(tree.children[0])
    return tree.symbol in (LABEL, 0)


def evaluate(tree: Node, point: Point, coefficients: Mapping[Path, Tensor]) -> Tensor:
    """Evaluate an expression entry by entry.

    Powers of h and of y are collected first: ``y / h`` is 0 where y is 0, ``log(h)`` is finite where h underflows,
    and ``h / h`` is 1. Where the function is undefined (the logarithm or root of a negative number, a division by
    zero) the result is NaN or infinite.

    Args:
        tree: the expression.
        point: where to evaluate it.
        coefficients: factors of the nodes at some paths, shape () each, dtype of the point.

    Returns:
        Values, shape (..., C), dtype of the point.
    """
    evaluation = _Evaluation(point, coefficients)
    value = evaluation.plain(evaluation.visit(tree, ())).expand_as(point.h)
    # Where h cancels, training gets a gradient of zero rather than none.
    return value if value.requires_grad else value + 0.0 * point.h


class _Evaluation:
    def __init__(self, point: Point, coefficients: Mapping[Path, Tensor]) -> None:
        self.point = point
        self.coefficients = coefficients
        self.one = torch.ones((), dtype=point.h.dtype, device=point.h.device)
        self.largest_exponent = largest_exponent(point.h.dtype)

    def visit(self, node: Node, path: Path) -> _Value:
        value = self.apply(node.symbol, [self.visit(child, (*path, k)) for k, child in enumerate(node.children)])
        if path not in self.coefficients:
            return value
        return _Value(value.rest * self.coefficients[path], value.h_power, value.y_power)

    def apply(self, symbol: str | int, arguments: list[_Value]) -> _Value:
        if isinstance(symbol, int):
            return _Value(self.one * symbol)
        if symbol == LABEL:
            return _Value(self.one, y_power=1.0)
        if symbol == PREDICTION:
            return _Value(self.one, h_power=1.0)
        a, b = arguments[0], arguments[-1]
        match symbol:
            case "log":
                return _Value(self.log(a))
            case "sqrt":
                return _Value(a.rest.sqrt(), a.h_power / 2, a.y_power / 2)
            case "square":
                return _Value(a.rest.square(), a.h_power * 2, a.y_power * 2)
            case "*":
                return _Value(a.rest * b.rest, a.h_power + b.h_power, a.y_power + b.y_power)
            case "/":
                return _Value(a.rest / b.rest, a.h_power - b.h_power, a.y_power - b.y_power)
            case "+":
                return self.add(a, b)
            case _:
                return self.add(a, _Value(-b.rest, b.h_power, b.y_power))

    def log(self, value: _Value) -> Tensor:
        result = value.rest.log()
        if value.h_power:
            result = result + value.h_power * self.point.log_h
        if value.y_power:
            result = result + value.y_power * self.point.y.log()
        return result

    def add(self, a: _Value, b: _Value) -> _Value:
        if (a.h_power, a.y_power) == (b.h_power, b.y_power):
            return _Value(a.rest + b.rest, a.h_power, a.y_power)
        return _Value(self.plain(a) + self.plain(b))

    def plain(self, value: _Value) -> Tensor:
        """Multiply the powers into the rest, that of h last and bounded."""
        result = value.rest
        if value.y_power:
            result = result * (self.point.y if value.y_power == 1.0 else self.point.y.pow(value.y_power))
        if value.h_power == 1.0:
            result = result * self.point.h
        elif value.h_power > 0.0:
            power = self.point.h.pow(value.h_power)
            result = result * (power if self.point.least is None else power.clamp(min=self.point.least))
        elif value.h_power < 0.0:
            exponent = value.h_power * self.point.log_h
            result = result * exponent.clamp(max=self.largest_exponent).exp()
        return result
