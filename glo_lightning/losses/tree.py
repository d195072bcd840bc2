"""GLO losses: expression trees over label and prediction, with optional coefficients."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.expression import Node, parse
from glo_lightning.losses.expression.algebra import to_sympy
from glo_lightning.losses.expression.coefficients import coefficient_paths
from glo_lightning.losses.expression.domain import HARD_LABELS, Definedness, definedness, make_grid
from glo_lightning.losses.expression.evaluation import Point, evaluate, is_for_target_alone
from glo_lightning.losses.expression.nodes import Path
from glo_lightning.losses.labels import unmasked_log
from glo_lightning.losses.options import ClassReduction, Reduction
from glo_lightning.losses.precision import numbers_like

if TYPE_CHECKING:
    import sympy


class TreeLoss(Loss):
    r"""A loss written as an expression in the label y and the prediction h.

    .. math:: \ell(y, h) = -\mathrm{expression}(y, h)

    An expression holds log, sqrt, square, + - * /, y, h, integers and brackets. It is evaluated from
    log-softmax, so that it stays finite wherever the mathematical function is. Where that is undefined (the
    logarithm or root of a negative number, a division by zero) the loss is NaN or infinite and training
    diverges; :meth:`definedness` tells beforehand.

    Args:
        expression: e.g. ``"log(h) - y / h"``, which is Baikal.
        coefficients: shape (K,), finite: factors of the nodes whose scale nothing else absorbs, in the order
            they are read; see :func:`coefficient_paths`. By default 1.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Attributes:
        tree: the expression as a tree; its text is ``str(tree)``.
        coefficients: shape (K,), float64.

    Raises:
        LossError: if the expression cannot be read, is too large, or is (with unit coefficients)
            undefined everywhere; or if the coefficients are not K finite numbers.

    Example:
        >>> loss = TreeLoss("log(h) - y / h", coefficients=[2.0, 3.0])
        >>> loss.gamma(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([16.,  4.])
        >>> loss.formula("python")
        '(-2.0*log(h) + 3.0*y/h).sum(-1)'

    Source: GLO, section 3; derivations.md, section 2.
    """

    family: ClassVar[str] = "tree"
    coefficients: Tensor

    def __init__(
        self,
        expression: str,
        coefficients: Sequence[float] | Tensor | None = None,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        self.tree: Node = parse(expression)
        self._paths = coefficient_paths(self.tree)
        self._is_for_target_alone = is_for_target_alone(self.tree)
        self.register_buffer("coefficients", self._as_coefficients(coefficients), persistent=False)
        if isinstance(coefficients, Tensor):
            self.to(coefficients.device)
        # Given coefficients may be a search's, which must be able to try bad ones.
        if coefficients is None and not bool(self.elementwise(*make_grid()).isfinite().any()):
            raise LossError(
                "an expression that is defined somewhere",
                f"{self.definedness().reason} and everywhere else",
                "Remove the division by zero, or the logarithm or root of a negative number.",
            )

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the expression's negative; see :meth:`Loss.elementwise`."""
        return -evaluate(self.tree, Point.from_scaled_logits(h, y), self._factors(h))

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the expression's negative; see :meth:`Loss.elementwise_log`."""
        if self._is_for_target_alone:
            log_h = unmasked_log(log_h, y)
        return -evaluate(self.tree, Point.from_logarithms(log_h, y), self._factors(log_h))

    def definedness(self, labels: tuple[float, ...] = HARD_LABELS) -> Definedness:
        """Look where the loss is defined, and what is to blame elsewhere.

        Args:
            labels: label values as the loss sees them, each in [0, 1].

        Returns:
            The share of a grid of scaled logits and labels where value and gamma are finite, and the reason.

        Example:
            >>> TreeLoss("y * log(h) + log(h - y)").definedness()
            Definedness(share=0.5, reason='log(h - y) is undefined at h = 0.00091, y = 1')
        """
        return definedness(self.tree, dict(zip(self._paths, self.coefficients.cpu(), strict=True)), labels)

    def _factors(self, outputs: Tensor) -> dict[Path, Tensor]:
        return dict(zip(self._paths, numbers_like(self.coefficients, outputs).unbind(), strict=True))

    def _as_coefficients(self, coefficients: Sequence[float] | Tensor | None) -> Tensor:
        num_coefficients = len(self._paths)
        if coefficients is None:
            return torch.ones(num_coefficients, dtype=torch.float64, device="cpu")
        nodes = ", ".join(str(self.tree.at(path)) for path in self._paths)
        expected = f"{num_coefficients} finite coefficients, of {nodes}"
        try:
            values = torch.as_tensor(coefficients, dtype=torch.float64, device="cpu").detach().clone()
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise LossError(expected, repr(coefficients)[:80], "Pass a list of floats.") from error
        if values.shape != (num_coefficients,) or not bool(values.isfinite().all()):
            raise LossError(expected, repr(values.tolist())[:80], "Leave them out to use 1 everywhere.")
        return values

    def hyperparameters(self) -> dict[str, Any]:
        """Return the expression and its coefficients."""
        return {"expression": str(self.tree), "coefficients": self.coefficients.tolist()}

    def expression(self) -> "sympy.Expr":
        """Return the expression's negative; see :meth:`Loss.expression`."""
        factors = zip(self._paths, self.coefficients.tolist(), strict=True)
        return -to_sympy(self.tree, {path: value for path, value in factors if value != 1.0})
