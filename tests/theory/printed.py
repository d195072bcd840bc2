"""Theorem 2 of arXiv:2010.00788 as it is printed, to say where the exact attraction differs from it."""

import torch
from torch import Tensor

from glo_lightning.losses import Loss
from glo_lightning.theory import symmetric_gamma


def printed_attraction(loss: Loss, epsilon: Tensor | float, num_classes: int, step: float = 1.0) -> Tensor:
    r"""Return the printed change of the target's scaled logit; derivations.md, section 10.

    It has a sign of its own in the cross terms between non-targets, and so depends on constants in gamma.

    .. math:: \Delta f_N = -\frac{\Delta f_T}{C - 1} + s \frac{2 (C - 2) \gamma_N \epsilon^2}{(C - 1)^2}
    """
    confidence = 1.0 - torch.as_tensor(epsilon, dtype=torch.float64)
    target, nontarget = symmetric_gamma(loss, confidence, num_classes)
    target_change = step * (1.0 - confidence) * confidence * (target - nontarget)
    slip = step * 2.0 * (num_classes - 2) * nontarget * (1.0 - confidence) ** 2 / (num_classes - 1) ** 2
    nontarget_change = slip - target_change / (num_classes - 1)
    return (confidence.logit() + target_change - nontarget_change).sigmoid() - confidence
