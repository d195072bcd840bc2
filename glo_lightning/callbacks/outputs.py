"""What a training step hands to callbacks."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def step_loss(outputs: Any) -> Tensor | None:
    """Return the loss of a training step, or None for a batch that was skipped or optimized by hand.

    Args:
        outputs: what Lightning passes to ``on_train_batch_end``: a tensor, a mapping with a ``"loss"``, an empty
            mapping, or None.
    """
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return loss if isinstance(loss, Tensor) else None
