"""Which terms a Taylor polynomial has, and how its parameters are laid out."""

import math
from collections.abc import Sequence
from itertools import product

from glo_lightning.errors import LossError
from glo_lightning.losses.options import Input

MAX_ORDER = 32
MAX_PARAMETERS = 10_000
"""Larger polynomials would take minutes to build and gigabytes to evaluate; the papers' have 8 to 20 parameters."""


def multi_indices(order: int, inputs: Sequence[Input]) -> list[tuple[int, ...]]:
    """List the exponents of a trimmed Taylor polynomial in lexicographic order.

    Args:
        order: K, the total degree; 1 to 32.
        inputs: variables, as in :class:`TaylorLoss`.

    Returns:
        Exponent tuples, one entry per input: total degree at most K, h or f taking part.

    Raises:
        LossError: if order or inputs are out of range.

    Example:
        >>> multi_indices(3, ("y", "h"))
        [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1)]

    Source: derivations.md, section 3.
    """
    _check_order_and_inputs(order, inputs)
    outputs = [position for position, name in enumerate(inputs) if name in ("h", "f")]
    return [
        alpha
        for alpha in product(range(order + 1), repeat=len(inputs))
        if sum(alpha) <= order and any(alpha[position] for position in outputs)
    ]


def num_parameters(order: int, inputs: Sequence[Input]) -> int:
    """Count theta: one centre per input and one coefficient per multi-index.

    Args:
        order: K, the total degree; 1 to 32.
        inputs: variables, as in :class:`TaylorLoss`.

    Raises:
        LossError: if order or inputs are out of range, or there would be more than 10,000.

    Example:
        >>> num_parameters(3, ("y", "h")), num_parameters(3, ("y", "h", "t"))
        (8, 13)

    Source: TaylorGLO, section 3; derivations.md, section 3.
    """
    _check_order_and_inputs(order, inputs)
    without_outputs = sum(name not in ("h", "f") for name in inputs)
    trimmed = math.comb(order + without_outputs, without_outputs)
    count = len(inputs) + math.comb(order + len(inputs), len(inputs)) - trimmed
    if count > MAX_PARAMETERS:
        raise LossError(f"at most {MAX_PARAMETERS} parameters", f"{count} of order {order}", "Lower the order.")
    return count


def factorial(alpha: tuple[int, ...]) -> int:
    """Return alpha!, the product of the exponents' factorials."""
    return math.prod(math.factorial(a) for a in alpha)


def _check_order_and_inputs(order: int, inputs: Sequence[Input]) -> None:
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= MAX_ORDER:
        raise LossError(f"an order of 1 or more, up to {MAX_ORDER}", repr(order), "Pass order=3, the papers' choice.")
    known = ("y", "h", "f", "t")
    if not isinstance(inputs, list | tuple) or any(name not in known for name in inputs):
        raise LossError(f"inputs out of {known}", repr(inputs), "Pass inputs=('y', 'h').")
    if len(set(inputs)) != len(inputs):
        raise LossError("different inputs", repr(inputs), "Name each input once.")
    if "h" not in inputs and "f" not in inputs:
        raise LossError("an output of the network, 'h' or 'f', among the inputs", repr(inputs), "Add 'h'.")
