"""Notice labels that are no labels, NaN or -1 for a missing one, in whatever batch of a training they come."""

import math
from typing import Any

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses import Loss, Outputs
from glo_lightning.options import option

TOLERANCE = 1e-3
"""How far outside of [0, 1] a label may be, and how far from 1 the labels of a sample may sum: mixed labels are
rounded, in half precision to no more digits."""

MISSING: dict[Outputs, str] = {
    "sigmoid": (
        "Leave out what has no label: keep = (target >= 0) & (target <= 1), then pass logits[keep] and target[keep]."
    ),
    "softmax": (
        "Leave out what has no label: keep = ((target >= 0) & (target <= 1)).all(1), then pass "
        "logits.movedim(1, -1)[keep] and target.movedim(1, -1)[keep]."
    ),
    "real": ("Leave out what has no target: keep = target.isfinite(), then pass prediction[keep] and target[keep]."),
}


def regression() -> str:
    """Return the cure for labels that are numbers to predict."""
    return f"Real-valued targets have no classes: to predict numbers, set {option('outputs', 'real')}."


class LabelRange:
    """The range of the floating labels that a loss was given, known without waiting for the device.

    A loss takes NaN or -1 for a label like any other: it becomes NaN itself, or learns nonsense. Class indices it
    refuses by itself.

    Args:
        loss: whose calls are watched until :meth:`leave`.
    """

    def __init__(self, loss: Loss) -> None:
        self._outputs = loss.outputs
        self._seen: tuple[Tensor, Tensor] | None = None
        self._handle = loss.register_forward_pre_hook(self._see, with_kwargs=True)

    def check(self) -> None:
        """Look at the labels since the last time; the device must finish its work first.

        Raises:
            LossError: if some were outside of [0, 1] or NaN; of real-valued predictions, if some were not finite.
        """
        if self._seen is None:
            return
        low, high = map(float, self._seen)
        self._seen = None
        if self._outputs == "real":
            if not (math.isfinite(low) and math.isfinite(high)):
                raise LossError("finite targets", f"targets from {low:g} to {high:g}", MISSING["real"])
            return
        if not (low >= -TOLERANCE and high <= 1.0 + TOLERANCE):
            found = "NaN" if low != low else f"labels from {low:g} to {high:g}"
            raise LossError("labels in [0, 1]", found, f"{MISSING[self._outputs]} {regression()}")

    def leave(self) -> None:
        """Watch no longer."""
        self._handle.remove()

    def _see(self, loss: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        target = args[1] if len(args) > 1 else kwargs.get("target")
        if torch.compiler.is_compiling() or not (isinstance(target, Tensor) and target.is_floating_point()):
            return
        if target.numel():
            low, high = target.detach().aminmax()
            if self._seen is not None:
                low, high = torch.minimum(low, self._seen[0]), torch.maximum(high, self._seen[1])
            self._seen = low, high
