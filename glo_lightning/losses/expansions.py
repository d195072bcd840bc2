"""Losses that everybody knows, as Taylor polynomials."""

import math

from glo_lightning.errors import LossError
from glo_lightning.losses.multi_index import multi_indices
from glo_lightning.losses.taylor import TaylorLoss


def cross_entropy_taylor(order: int = 3, center: float = 0.5) -> TaylorLoss:
    """Return the Taylor polynomial of cross-entropy about y = h = ``center``: a start point for a search.

    Its value differs from cross-entropy's by terms of the labels alone, which have no gradient.

    Args:
        order: K, the total degree; 1 to 32.
        center: expansion point in (0, 1]; the series converges for h below twice the centre.

    Raises:
        LossError: if order or centre is out of range.

    Example:
        >>> cross_entropy_taylor(3, 0.5).theta
        tensor([ 0.5000,  0.5000,  1.0000, -2.0000,  8.0000,  2.0000, -4.0000,  0.0000],
               dtype=torch.float64)

    Source: derivations.md, section 7.4.
    """
    if not 0.0 < center <= 1.0:
        raise LossError("a centre in (0, 1]", repr(center), "Use 0.5, which converges on all of (0, 1).")

    label_factors = (center, 1.0) + (0.0,) * (order - 1)
    coefficients = [
        label_factors[y] * -math.factorial(h - 1) / (-center) ** h for y, h in multi_indices(order, ("y", "h"))
    ]
    return TaylorLoss([center, center, *coefficients], order)


def mean_squared_error_taylor(order: int = 3) -> TaylorLoss:
    """Return mean squared error as a Taylor loss, exact but for the labels' own squares.

    Args:
        order: K, the total degree; 2 or more.

    Raises:
        LossError: if the order is below 2.

    Example:
        >>> mean_squared_error_taylor(2).theta
        tensor([ 0.,  0.,  0., -2.,  2.], dtype=torch.float64)

    Source: derivations.md, section 3.
    """
    if order < 2:
        raise LossError("an order of 2 or more", repr(order), "A squared error is quadratic; use order=2.")
    derivatives: dict[tuple[int, ...], float] = {(0, 2): -2.0, (1, 1): 2.0}
    coefficients = [derivatives.get(alpha, 0.0) for alpha in multi_indices(order, ("y", "h"))]
    return TaylorLoss([0.0, 0.0, *coefficients], order)
