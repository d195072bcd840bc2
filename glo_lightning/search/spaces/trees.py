"""Turn what GLO's two stages propose into losses: expressions first, then coefficients of one expression."""

from collections.abc import Mapping

from glo_lightning.losses import TreeLoss
from glo_lightning.search.spaces.base import UNBOUNDED


class ExpressionSpace:
    """GLO's first stage: the candidates are expressions, and there are no parameters.

    Example:
        >>> ExpressionSpace().build({"expression": "log(h) - y / h"}).tree.depth
        2

    Source: GLO, section 3.
    """

    distributions: Mapping[str, object] = {}

    def build(self, parameters: Mapping[str, str]) -> TreeLoss:
        """Make the loss of a candidate.

        Args:
            parameters: holds the candidate's ``expression``; a trial's user attributes do.

        Raises:
            LossError: if the expression cannot be read or is undefined everywhere.
        """
        return TreeLoss(parameters["expression"])


class CoefficientSpace:
    """GLO's second stage: the coefficients of one expression, those that others absorb left out.

    Args:
        expression: its text.

    Attributes:
        distributions: ``c_0`` to ``c_(K-1)``, in the order of :class:`TreeLoss`'s coefficients.
        start: K ones, the expression itself; where the paper's search starts, with a step size of 1.5.

    Raises:
        LossError: if the expression cannot be read or is undefined everywhere.

    Example:
        >>> space = CoefficientSpace("log(h) - y / h")
        >>> space.start
        [1.0, 1.0]
        >>> space.build({"c_0": 2.7, "c_1": 5.0}).coefficients
        tensor([2.7000, 5.0000], dtype=torch.float64)

    Source: GLO, section 3.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.start: list[float] = TreeLoss(expression).coefficients.tolist()
        self.distributions = {f"c_{k}": UNBOUNDED for k in range(len(self.start))}

    def build(self, parameters: Mapping[str, float]) -> TreeLoss:
        """Make the loss whose coefficients the parameters spell."""
        return TreeLoss(self.expression, [parameters[name] for name in self.distributions])


COEFFICIENT_POPULATION = 12
"""Candidates in a generation of coefficients: few, because they are few."""

COEFFICIENT_SIGMA = 1.5
"""Initial step size of the coefficient search, the paper's."""
