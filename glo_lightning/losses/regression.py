"""Losses of real-valued predictions: one function of the residual, in units of the targets' spread."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import describe, reduce_batch
from glo_lightning.losses.options import FormulaStyle, Outputs, Reduction
from glo_lightning.losses.precision import finite_number, listed, numbers_like

if TYPE_CHECKING:
    import sympy


class RegressionLoss(Loss):
    r"""A loss that is one function of the residual.

    .. math:: L = \frac{1}{M} \sum_{m=1}^{M} a \sigma^b \rho(r_m), \qquad r = \frac{f - y}{\sigma}, \qquad
        \psi(r) = \rho'(r)

    The M numbers are all predictions of a batch, as in torch. Sigma, the standard deviation of the training targets,
    makes the residual a number without a unit, so that one shape means the same for metres and for millimetres. The
    constants a and b give the value the unit that everybody expects: the squared error is torch's, whatever sigma is,
    and learning rates keep their meaning. Psi, the *influence*, is the force of a residual: where it is bounded, no
    outlier can pull without end; where it comes back down to 0, a gross one does not pull at all.

    A family is a subclass with a ``family`` name, ``rho``, ``hyperparameters`` and ``of_residual``.

    The call takes predictions and floating targets of one shape: (N,), (N, 1) or (N, D). ``elementwise`` takes the
    prediction in the place of the scaled logit h.

    Args:
        sigma: above 0 and finite, one number or one for each of D predictions.
        reduction: over all numbers: ``"mean"``, ``"sum"`` or ``"none"``, as in torch.

    Raises:
        LossError: if an argument is out of its range.

    Source: derivations.md, section 11.
    """

    outputs: Outputs = "real"
    factor: ClassVar[float] = 1.0
    """a, what the value is multiplied by."""
    power: ClassVar[int] = 2
    """b, the power of sigma that the value is multiplied by."""
    sigma: Tensor

    def __init__(self, sigma: float | Sequence[float] = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        spread = torch.tensor(spread_of(sigma), dtype=torch.float64, device="cpu")
        self.register_buffer("sigma", spread, persistent=False)

    @abstractmethod
    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss of residuals.

        Args:
            r: residuals in units of sigma, any shape, floating.

        Returns:
            Losses, of the same shape.
        """

    @abstractmethod
    def of_residual(self, r: "sympy.Symbol") -> "sympy.Expr":
        """Return rho as a sympy expression of the residual, a real symbol."""

    def influence(self, r: Tensor) -> Tensor:
        """Return psi, the slope of the loss at residuals in units of sigma, any shape.

        Example:
            >>> from glo_lightning.losses import HuberLoss
            >>> HuberLoss(1.0).influence(torch.tensor([-5.0, 0.5, 5.0]))
            tensor([-1.0000,  0.5000,  1.0000])
        """
        slope: Tensor = torch.func.grad(lambda x: self.rho(x).sum())(r)
        return slope

    def with_sigma(self, sigma: float | Sequence[float]) -> Self:
        """Return the same loss in units of another spread.

        Args:
            sigma: as in the constructor.
        """
        return type(self)(**{**self.arguments(), "sigma": sigma})

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss of each prediction h; see :meth:`Loss.elementwise`."""
        sigma = numbers_like(self.sigma, h)
        return self.factor * sigma**self.power * self.rho((h - y) / sigma)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss of each prediction; see :meth:`Loss.per_class`."""
        return self.elementwise(logits, y)

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Return predictions and targets as they are; see :meth:`Loss.rows`."""
        check_width(self.sigma, logits, target)
        return logits, target.to(logits.dtype), logits.shape

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return reduce_batch(self.elementwise(logits, target), reduction)

    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that rebuild the loss, as JSON values."""
        return {**self.hyperparameters(), "sigma": self.sigma.tolist(), "reduction": self.reduction}

    def expression(self) -> "sympy.Expr":
        """Return the loss of one prediction f; of several sigmas, each is ``sigma``; see :meth:`Loss.expression`."""
        import sympy

        r = sympy.Symbol("r", real=True)
        f, y = sympy.symbols("f y")
        return self.in_units(self.of_residual(r)).subs(r, (f - y) / self._spread)

    def in_units(self, expression: "sympy.Expr") -> "sympy.Expr":
        """Return a function of the residual in the unit of the loss."""
        import sympy

        return expression * sympy.nsimplify(self.factor) * self._spread**self.power

    @property
    def _spread(self) -> "sympy.Expr":
        import sympy

        return sympy.Symbol("sigma", positive=True) if self.sigma.ndim else sympy.Float(float(self.sigma))

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss of one prediction as text; see :meth:`Loss.formula`.

        Args:
            style: ``"latex"``, ``"unicode"`` (one line) or ``"python"``, an expression over arrays f and y.
        """
        return self.scaled_formula(style)

    def scaled_formula(self, style: FormulaStyle, factor: float = 1.0) -> str:
        """Write the loss times a constant; see :meth:`formula`."""
        import sympy

        from glo_lightning.losses.formula import render_residual

        expression = self.in_units(self.of_residual(sympy.Symbol("r", real=True)))
        return render_residual(expression if factor == 1.0 else factor * expression, style, self.sigma.tolist())


def check_predictions(prediction: Tensor, target: Tensor) -> None:
    """Refuse predictions and targets that are not floating numbers of one shape, (N,), (N, 1) or (N, D).

    Raises:
        LossError: if so, with the cure.

    Example:
        >>> check_predictions(torch.zeros(8, 1), torch.zeros(8))
        Traceback (most recent call last):
        glo_lightning.errors.LossError: Expected predictions and targets of one shape, got ...
    """
    got = f"predictions {describe(prediction)} and targets {describe(target)}"
    if not (prediction.is_floating_point() and target.is_floating_point()):
        raise LossError("floating predictions and targets", got, "Convert targets with target.float().")
    if prediction.shape != target.shape:
        cure = "Give the network one output for each number in a target."
        if prediction.numel() == target.numel():
            # Subtracted, (N, 1) and (N,) would make (N, N), which torch's own losses only warn of.
            cure = "Pass target.view_as(prediction), or drop a dimension of the prediction with .squeeze(-1)."
        raise LossError("predictions and targets of one shape", got, cure)
    if prediction.ndim not in (1, 2):
        raise LossError(
            "predictions of shape (N,), (N, 1) or (N, D)", got, "Flatten what belongs to a sample: f.flatten(1)."
        )


def check_width(sigma: Tensor, prediction: Tensor, target: Tensor) -> None:
    """Refuse predictions and targets that do not fit each other, or of which there are not as many as sigmas.

    Args:
        sigma: shape (), which fits any, or (D,).
        prediction: as in :func:`check_predictions`.
        target: as in :func:`check_predictions`.

    Raises:
        LossError: if so, with the cure.
    """
    check_predictions(prediction, target)
    if sigma.ndim and prediction.shape[1:] != sigma.shape:
        raise LossError(
            f"predictions of shape (N, {len(sigma)}), for which the loss was made",
            describe(prediction),
            "Make it with one sigma, or one for each predicted number.",
        )


def spread_of(sigma: float | Sequence[float]) -> float | list[float]:
    """Return one standard deviation, or a list of several, which may be given as a tensor.

    Raises:
        LossError: if one is not above 0 and finite.
    """
    numbers = [finite_number(each, "sigma") for each in listed(sigma)]
    if not numbers or not all(0.0 < each < math.inf for each in numbers):
        raise LossError(
            "a sigma above 0, the standard deviation of the training targets",
            repr(sigma)[:80],
            "Compute it with target.std(0), or leave it out for 1.",
        )
    return numbers if len(numbers) > 1 else numbers[0]
