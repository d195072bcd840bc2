"""The activation as something to choose: any of torch's, or a polynomial whose coefficients a search finds."""

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from glo_lightning.errors import ModelError

Activation = Callable[[], nn.Module]
"""Builds an activation: a class such as ``nn.ReLU`` or ``nn.SiLU`` (Swish), or a function without arguments."""

SWISH = (0.0, 1 / 2, 1 / 4, 0.0, -1 / 48, 0.0, 1 / 480)
"""Taylor coefficients of Swish, x sigmoid(x), about 0."""


class TaylorActivation(nn.Module):
    r"""A univariate Taylor polynomial, computed entry by entry.

    .. math:: a(x) = \sum_{k=0}^{K} c_k (x - x_0)^k

    A joint search evolves it: ``model.network.activation.coefficients`` names its coefficients on the command line.

    Args:
        coefficients: c_0 to c_K, one or more finite numbers; the default is Swish to order 6.
        center: x_0, finite.

    Raises:
        ModelError: if a number is missing or not finite.

    Example:
        >>> import torch
        >>> TaylorActivation([1.0, 0.0, 2.0], center=1.0)(torch.tensor([0.0, 1.0, 3.0]))
        tensor([3., 1., 9.])

    Source: TaylorGLO's code, whose ablations append an activation of order 6 to theta.
    """

    def __init__(self, coefficients: Sequence[float] = SWISH, center: float = 0.0) -> None:
        super().__init__()
        if not coefficients or not all(math.isfinite(number) for number in (*coefficients, center)):
            raise ModelError(
                "finite coefficients, one or more, and a finite center",
                f"{list(coefficients)} about {center}",
                "Leave them out for Swish to order 6.",
            )
        self.coefficients = tuple(map(float, coefficients))
        self.center = float(center)

    def forward(self, x: Tensor) -> Tensor:
        """Return a(x), of the shape of x."""
        distance = x - self.center
        *lower, highest = self.coefficients
        value = x.new_tensor(highest).expand_as(x)
        for coefficient in reversed(lower):
            value = value * distance + coefficient
        return value

    def extra_repr(self) -> str:
        """Show coefficients and center."""
        return f"coefficients={self.coefficients}, center={self.center}"
