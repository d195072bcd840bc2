"""A loss for networks with auxiliary heads: one for each head."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.options import FormulaStyle
from glo_lightning.losses.wrapped import WrappedLoss


class HeadsLoss(WrappedLoss):
    r"""The sum of a loss of its own for the main head and for each auxiliary head.

    .. math:: L = \sum_{k=0}^{K} L_k(f_k, y)

    Called with the logits of one head, it is the main head's loss; so are ``elementwise``, ``gamma``, the expression
    and all that theory says of it: ask theory about each of ``losses`` to judge them all. Any other loss, called with
    the logits of several heads, adds itself up over them.

    Args:
        losses: one for the main head, then one for each auxiliary head; two or more with the same reduction.

    Raises:
        LossError: if these are fewer, no losses of one head, or of different reductions.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
        >>> main, auxiliary, target = torch.zeros(1, 10), torch.ones(1, 10), torch.tensor([3])
        >>> HeadsLoss([CrossEntropyLoss(), MeanSquaredErrorLoss()])((main, auxiliary), target)
        tensor(3.2026)

    Source: TaylorGLO's code, whose ablations give each head of a network a Taylor polynomial.
    """

    family: ClassVar[str] = "heads"

    def __init__(self, losses: Sequence[Loss]) -> None:
        if len(losses) < 2:
            raise LossError("losses of two or more heads", f"{len(losses)}", "Use the loss itself for a single head.")
        if any(isinstance(loss, Loss) and loss.num_heads > 1 for loss in losses):
            raise LossError("a loss of one head for each head", "a HeadsLoss", "Pass the losses in it by themselves.")
        super().__init__(losses[0])
        if any(not isinstance(loss, Loss) or loss.reduction != self.reduction for loss in losses):
            raise LossError("losses of one reduction", repr(losses)[:80], "Build all of them with the same reduction.")
        self.auxiliary = nn.ModuleList(losses[1:])

    def rewrapped(self, change: Callable[[Loss], Loss]) -> Self:
        """Return the changed losses, each for its head; see :meth:`WrappedLoss.rewrapped`."""
        return type(self)([change(loss) for loss in self.losses])

    @property
    def losses(self) -> list[Loss]:
        """The losses of the heads, the main one's first."""
        return [self.loss, *self.auxiliary]  # type: ignore[list-item]

    @property
    def num_heads(self) -> int:
        """How many heads have a loss of their own."""
        return len(self.losses)

    @property
    def uses_progress(self) -> bool:
        """Whether any of the losses changes with training progress."""
        return any(loss.uses_progress for loss in self.losses)

    @property
    def progress(self) -> float:
        """Training progress t in [0, 1] of the losses."""
        return self.loss.progress

    @progress.setter
    def progress(self, value: float) -> None:
        for loss in self.losses:
            loss.progress = value

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the loss of a batch; see :meth:`Loss.forward`.

        Raises:
            LossError: if there are more or fewer heads than losses.
        """
        if not isinstance(logits, tuple):
            return super().forward(logits, target)
        if len(logits) != len(self.losses):
            raise LossError(
                f"logits of {len(self.losses)} heads", f"of {len(logits)}", "Give each head of the network a loss."
            )
        return torch.stack([loss(own, target) for loss, own in zip(self.losses, logits, strict=True)]).sum(0)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the stored forms of the losses."""
        return {"losses": [loss.to_dict() for loss in self.losses]}

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the losses as text, the main head's first; in ``"python"``, which is one expression, alone."""
        main, *others = (loss.formula(style) for loss in self.losses)
        return main if style == "python" else main + "".join(f"; head {k}: {each}" for k, each in enumerate(others, 1))
