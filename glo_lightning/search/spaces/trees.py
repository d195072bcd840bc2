"""Turn what GLO's two stages propose into losses: expressions first, then coefficients of one expression."""

from collections.abc import Mapping

from optuna.trial import BaseTrial

from glo_lightning.losses import TreeLoss
from glo_lightning.losses.expression.nodes import BINARY, LABEL, PREDICTION, UNARY
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


MAX_DEPTH = 3
"""Operators above each other in a suggested tree; GLO's search begins with two."""

LEAVES = (LABEL, PREDICTION, "1", "-1")


def suggest_expression(trial: BaseTrial, name: str, depth: int = MAX_DEPTH) -> str:
    """Suggest an expression from its root down, a symbol for each place.

    Args:
        trial: of a study whose sampler knows conditional parameters.
        name: of the root's parameter; those below it add the path to them.
        depth: operators that may still stand above each other.

    Returns:
        The expression, as :class:`ExpressionSpace` builds it.

    Example:
        >>> from optuna.trial import FixedTrial
        >>> trial = FixedTrial({"node": "*", "node.0": "y", "node.1": "log", "node.1.0": "h"})
        >>> suggest_expression(trial, "node")
        '((y)) * (log((h)))'
    """
    symbol = trial.suggest_categorical(name, [*LEAVES, *((*UNARY, *BINARY) if depth else ())])
    if symbol in UNARY:
        return f"{symbol}({suggest_expression(trial, name + '.0', depth - 1)})"
    if symbol in BINARY:
        left, right = (suggest_expression(trial, f"{name}.{side}", depth - 1) for side in (0, 1))
        return f"({left}) {symbol} ({right})"
    return f"({symbol})"


COEFFICIENT_POPULATION = 12
"""Candidates in a generation of coefficients: few, because they are few."""

COEFFICIENT_SIGMA = 1.5
"""Initial step size of the coefficient search, the paper's."""
