"""Labels beside scaled logits: of the same type, and where a label is 0, so is what it multiplies."""

import math

import torch
from torch import Tensor


def labels_like(h: Tensor, y: Tensor) -> Tensor:
    """Return labels in the type and on the device of scaled logits."""
    return torch.as_tensor(y, dtype=h.dtype, device=h.device)


def seen(h: Tensor, y: Tensor) -> Tensor:
    """Put 1 where y is 0: there 0 times an infinite logarithm or ratio would be NaN, forward or backward."""
    return torch.where(torch.as_tensor(y, device=h.device) == 0, 1.0, h)


def seen_log(log_h: Tensor, y: Tensor) -> Tensor:
    """Put 0 where y is 0: there a class masked by a logit of minus infinity would give NaN."""
    return torch.where(y == 0, 0.0, log_h)


def unmasked_log(log_h: Tensor, y: Tensor) -> Tensor:
    """Put the logarithm of the least h where y is 0 and a class is masked by a logit of minus infinity."""
    least = math.log(torch.finfo(log_h.dtype).tiny)
    return torch.where((y == 0) & log_h.isneginf(), least, log_h)
