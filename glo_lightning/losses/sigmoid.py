"""Losses for yes-or-no questions: binary and multi-label models, which give each question one logit."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import describe
from glo_lightning.losses.options import FormulaStyle, Outputs
from glo_lightning.losses.wrapped import WrappedLoss, require_classes


class SigmoidLoss(WrappedLoss):
    r"""A loss of two classes, no and yes, of every single logit.

    .. math:: L = \frac{1}{M} \sum_{m=1}^{M} \ell(1 - y_m, 1 - \sigma(f_m)) + \ell(y_m, \sigma(f_m))

    The softmax of the logits (-f/2, f/2) is (1 - sigma(f), sigma(f)), so each logit is a sample of the loss inside
    with C = 2, and theory about that holds. Of cross-entropy it makes torch's ``binary_cross_entropy_with_logits``.

    The call takes logits of any shape, (N,), (N, 1), (N, labels) or (N, labels, H, W), and floating labels in [0, 1]
    of the same shape. ``elementwise``, ``per_class``, ``gamma`` and the formula are those of the loss inside, over
    the two classes.

    Args:
        loss: the loss inside; its reductions and label smoothing are kept, with ``"none"`` giving one loss per logit.

    Raises:
        LossError: if ``loss`` is not a loss of one head, or of more than two classes.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> logits, labels = torch.tensor([[1.5, -0.5, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
        >>> SigmoidLoss(CrossEntropyLoss())(logits, labels)
        tensor(0.4562)
        >>> torch.nn.BCEWithLogitsLoss()(logits, labels)
        tensor(0.4562)

    Source: derivations.md, section 1.
    """

    family: ClassVar[str] = "sigmoid"
    outputs: Outputs = "sigmoid"  # type: ignore[assignment]

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss)
        require_classes(self, loss)
        if self.num_classes not in (None, 2):
            raise LossError(
                "a loss of two classes, no and yes", f"one of {self.num_classes}", "Build it with num_classes=2."
            )

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Make every logit a row of two classes; see :meth:`Loss.rows`."""
        if not (logits.is_floating_point() and target.is_floating_point() and logits.shape == target.shape):
            raise LossError(
                "floating logits and floating labels of one shape, 0 for no and 1 for yes",
                f"logits {describe(logits)} and labels {describe(target)}",
                "Convert labels with target.float(), and shapes (N,) to (N, 1) with target.unsqueeze(-1).",
            )
        yes = target.to(logits.dtype).flatten()
        # Halves rather than (0, f): a loss that also sees unscaled logits must not tell yes from no.
        half = logits.flatten() / 2
        return torch.stack([-half, half], -1), torch.stack([1.0 - yes, yes], -1), logits.shape

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss inside; see :meth:`Loss.formula`."""
        return self.loss.formula(style)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored form of the loss inside."""
        return {"loss": self.loss.to_dict()}
