"""Losses made of another loss."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Outputs, Reduction

if TYPE_CHECKING:
    import sympy


def require_loss(inner: object) -> None:
    """Refuse what is no loss inside one.

    Raises:
        LossError: if it is none.
    """
    if not isinstance(inner, Loss):
        raise LossError("a Loss to wrap", repr(inner)[:80], "Pass for example CrossEntropyLoss().")


def require_classes(outer: Loss, inner: Loss) -> None:
    """Refuse what is no loss, or one of real-valued predictions, inside one that is made of classes.

    Raises:
        LossError: if the loss inside is so.
    """
    require_loss(inner)
    if inner.outputs == "real":
        own = type(outer).__name__
        raise LossError(
            f"a loss of classes inside {own}",
            f"a {type(inner).__name__}, of real-valued predictions",
            f"Use it by itself, without {own}.",
        )


class WrappedLoss(Loss):
    """Another loss, whose reductions and label smoothing are kept; a family overrides what it changes.

    Args:
        loss: the loss inside.

    Raises:
        LossError: if it is not a loss, or one of several heads.
    """

    def __init__(self, loss: Loss) -> None:
        require_loss(loss)
        if loss.num_heads > 1:
            own = type(self).__name__
            raise LossError(
                "a loss of one head to wrap",
                f"a HeadsLoss of {loss.num_heads} inside {own}",
                f"Wrap each head's loss in a {own}, and give a HeadsLoss of these to the network.",
            )
        nn.Module.__init__(self)  # not Loss's: what that sets, the loss inside has
        self.loss = loss

    def rewrapped(self, change: Callable[[Loss], Loss]) -> Self:
        """Return the same around another loss.

        Args:
            change: makes that of the loss inside; of several, of each.
        """
        return type(self)(**{**self.hyperparameters(), "loss": change(self.loss)})

    @property
    def num_classes(self) -> int | None:  # type: ignore[override]
        """How many classes the loss inside is for, if that matters."""
        return self.loss.num_classes

    @property
    def outputs(self) -> Outputs:  # type: ignore[override]
        """What the outputs of a model mean that the loss inside is called with."""
        return self.loss.outputs

    @property
    def class_reduction(self) -> ClassReduction:  # type: ignore[override]
        """How the loss inside is reduced over classes."""
        return self.loss.class_reduction

    @property
    def reduction(self) -> Reduction:  # type: ignore[override]
        """How the loss inside is reduced over the batch."""
        return self.loss.reduction

    @property
    def label_smoothing(self) -> float:  # type: ignore[override]
        """Label smoothing of the loss inside."""
        return self.loss.label_smoothing

    @property
    def is_separable(self) -> bool:
        """Whether a sample costs the loss inside the same whatever else is in its batch."""
        return self.loss.is_separable

    @property
    def uses_progress(self) -> bool:
        """Whether the loss inside changes with training progress."""
        return self.loss.uses_progress

    @property
    def progress(self) -> float:
        """Training progress t in [0, 1] of the loss inside."""
        return self.loss.progress

    @progress.setter
    def progress(self, value: float) -> None:
        self.loss.progress = value

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss inside; see :meth:`Loss.elementwise`."""
        return self.loss.elementwise(h, y)

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss inside from log h; see :meth:`Loss.elementwise_log`."""
        return self.loss.elementwise_log(log_h, y)

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss inside from unscaled logits; see :meth:`Loss.per_class`."""
        return self.loss.per_class(logits, y)

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Lay out the arguments as the loss inside does; see :meth:`Loss.rows`."""
        return self.loss.rows(logits, target)

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        return self.loss._compute(logits, target, reduction)

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return the factor of the loss inside; see :meth:`Loss.gamma`."""
        return self.loss.gamma(h, y)

    @abstractmethod
    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored form of the loss inside, and what the family adds."""

    def arguments(self) -> dict[str, Any]:
        """Return the hyperparameters alone: everything else is the inner loss's own."""
        return self.hyperparameters()

    def expression(self) -> "sympy.Expr":
        """Return the expression of the loss inside; see :meth:`Loss.expression`."""
        return self.loss.expression()

    def formula_note(self, style: FormulaStyle) -> str:
        """Return the note of the loss inside; see :meth:`Loss.formula_note`."""
        return self.loss.formula_note(style)

    def extra_repr(self) -> str:
        """Show nothing: the loss inside is shown as a part."""
        return ""
