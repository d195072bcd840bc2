"""Any loss of label and output, of standardised targets and predictions instead: Taylor polynomials for regression."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import reduce_batch
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Outputs, Reduction
from glo_lightning.losses.precision import finite_number, listed, numbers_like
from glo_lightning.losses.regression import check_width, spread_of
from glo_lightning.losses.wrapped import WrappedLoss, require_classes


class StandardizedLoss(WrappedLoss):
    r"""A loss of real-valued predictions made of one of label and scaled logit.

    .. math:: L = \frac{1}{M} \sum_{m=1}^{M} \sigma^2\, \ell\!\left(\frac{y_m - \mu}{\sigma},\
        \frac{f_m - \mu}{\sigma}\right)

    The standardised target takes the place of the label, the standardised prediction that of the scaled logit. Of
    (h - y)^2 it makes torch's squared error. Other than a loss of the residual it may treat large targets in another
    way than small ones.

    The call takes predictions and floating targets of one shape: (N,), (N, 1) or (N, D). ``elementwise`` and ``gamma``
    are of predictions and targets as they are.

    Args:
        loss: the loss inside, a function of y, h and perhaps t; its ``reduction`` is kept.
        mean: mu of the training targets, one number or one for each of D predictions.
        sigma: standard deviation of the training targets, above 0, likewise.

    Raises:
        LossError: if ``loss`` is not of one head, or has options that mean nothing here; or a number is out of range.

    Example:
        >>> from glo_lightning.losses import MeanSquaredErrorLoss
        >>> prediction, target = torch.tensor([150.0, 90.0]), torch.tensor([140.0, 100.0])
        >>> StandardizedLoss(MeanSquaredErrorLoss(), 152.0, 77.0)(prediction, target)
        tensor(100.)

    Source: derivations.md, section 11.
    """

    family: ClassVar[str] = "standardized"
    outputs: Outputs = "real"  # type: ignore[assignment]
    mean: Tensor
    sigma: Tensor

    def __init__(self, loss: Loss, mean: float | Sequence[float] = 0.0, sigma: float | Sequence[float] = 1.0) -> None:
        super().__init__(loss)
        require_classes(self, loss)
        if loss.outputs != "softmax" or loss.label_smoothing or "f" in getattr(loss, "inputs", ()):
            raise LossError(
                "a loss of label y and output h, without label smoothing",
                repr(loss)[:80],
                "Leave label smoothing, unscaled logits f and SigmoidLoss out: predictions are neither.",
            )
        spread = spread_of(sigma)
        centre = [finite_number(each, "mean") for each in listed(mean)]
        if len(centre) != (len(spread) if isinstance(spread, list) else 1):
            raise LossError(
                "a mean for each sigma", f"{len(centre)}", "Compute both with target.mean(0), target.std(0)."
            )
        for name, numbers in (("mean", centre if isinstance(spread, list) else centre[0]), ("sigma", spread)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float64, device="cpu"), persistent=False)

    @property
    def class_reduction(self) -> ClassReduction:  # type: ignore[override]
        """Nothing to reduce: every prediction is by itself."""
        return "sum"

    def standard(self, numbers: Tensor) -> Tensor:
        """Return predictions or targets as the loss inside sees them: in standard deviations from the mean."""
        return (numbers - numbers_like(self.mean, numbers)) / numbers_like(self.sigma, numbers)

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss of each prediction h; see :meth:`Loss.elementwise`."""
        return numbers_like(self.sigma, h) ** 2 * self.loss.elementwise(self.standard(h), self.standard(y))

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss of each prediction; see :meth:`Loss.per_class`."""
        return self.elementwise(logits, y)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return the force on each prediction h; see :meth:`Loss.gamma`."""
        return Loss.gamma(self, h, y)

    def rho(self, r: Tensor) -> Tensor:
        """Evaluate the loss inside at a target that is the mean, and predictions r standard deviations from it."""
        return self.loss.elementwise(r, torch.zeros_like(r))

    def influence(self, r: Tensor) -> Tensor:
        """Return the slope of :meth:`rho`."""
        slope: Tensor = torch.func.grad(lambda x: self.rho(x).sum())(r)
        return slope

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Return predictions and targets as they are; see :meth:`Loss.rows`."""
        check_width(self.sigma, logits, target)
        return logits, target.to(logits.dtype), logits.shape

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return reduce_batch(self.elementwise(logits, target), reduction)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored form of the loss inside, and what the targets are standardised by."""
        return {"loss": self.loss.to_dict(), "mean": self.mean.tolist(), "sigma": self.sigma.tolist()}

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss of one prediction as text; see :meth:`RegressionLoss.formula`."""
        return self.scaled_formula(style)

    def scaled_formula(self, style: FormulaStyle, factor: float = 1.0) -> str:
        """Write the loss times a constant; see :meth:`formula`."""
        from glo_lightning.losses.formula import render_standardized

        expression = self.loss.expression()
        scaled = expression if factor == 1.0 else factor * expression
        return render_standardized(scaled, style, self.mean.tolist(), self.sigma.tolist())

    def extra_repr(self) -> str:
        """Show what targets are standardised by; the loss is shown as a part."""
        return f"mean={self.mean.tolist()!r}, sigma={self.sigma.tolist()!r}"
