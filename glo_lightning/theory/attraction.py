"""Attraction: by how much one gradient step changes a sample's confidence."""

import torch
from torch import Tensor

from glo_lightning.errors import SettingsError
from glo_lightning.losses.precision import double_device
from glo_lightning.theory.gamma import AnyLoss, check_classes_of, device_of, drive, logit_gradient


def attraction(loss: AnyLoss, epsilon: Tensor | float, num_classes: int, step: float = 1.0) -> Tensor:
    r"""Return the change of the target's scaled logit in one step on the logits, all non-targets being equal.

    .. math:: \Delta h_T = \frac{\epsilon (1 - \epsilon) (e^\delta - 1)}{\epsilon + (1 - \epsilon) e^\delta},
        \qquad \delta = s \frac{C}{C - 1} \epsilon (1 - \epsilon) D(1 - \epsilon)

    Positive values pull the sample towards zero training error, negative ones push it away.

    Args:
        loss: a loss, or a black box of (logits, target) that treats all classes alike and sums over them.
        epsilon: distance from zero error, 1 - h_T, any shape, in (0, 1).
        num_classes: C, 2 or more.
        step: s, positive; the papers use 1.

    Returns:
        Changes, shape of ``epsilon``, float64, in (-1, 1).

    Raises:
        SettingsError: if an argument is outside its range.

    Example:
        >>> from glo_lightning.losses import BaikalLoss, CrossEntropyLoss
        >>> attraction(CrossEntropyLoss(), torch.tensor([0.1, 0.9]), num_classes=10)
        tensor([0.0096, 0.1320], dtype=torch.float64)
        >>> attraction(BaikalLoss(), torch.tensor([0.1, 0.9]), num_classes=10)
        tensor([-0.8986,  0.8996], dtype=torch.float64)

    Source: Theorem 2 of arXiv:2010.00788; derivations.md, section 5.
    """
    epsilon = _check(loss, epsilon, num_classes, step)
    variance = epsilon * (1.0 - epsilon)
    delta = step * num_classes / (num_classes - 1) * variance * drive(loss, 1.0 - epsilon, num_classes)
    # Each branch sees only the deltas for which its exponential cannot overflow.
    up, down = (-delta).clamp(max=0.0), delta.clamp(max=0.0)
    rise = -variance * up.expm1() / ((1.0 - epsilon) + epsilon * up.exp())
    fall = variance * down.expm1() / (epsilon + (1.0 - epsilon) * down.exp())
    return torch.where(delta > 0.0, rise, fall)


def sample_attraction(loss: AnyLoss, logits: Tensor, target: Tensor, step: float = 1.0) -> Tensor:
    r"""Return the change of each sample's target scaled logit in one step on its own logits.

    .. math:: \Delta h_T = h_T \frac{\sum_{k \ne T} h_k (e^{\Delta f_T} - e^{\Delta f_k})}{\sum_k h_k e^{\Delta f_k}},
        \qquad \Delta f = -s \frac{\partial L}{\partial f}

    Args:
        loss: as in :func:`attraction`.
        logits: shape (N, C), floating.
        target: class indices, shape (N,), int64.
        step: s, positive.

    Returns:
        Changes, shape (N,), float64, in (-1, 1); on the CPU if the logits' device has no float64.

    Raises:
        SettingsError: if ``step`` is not positive.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> sample_attraction(CrossEntropyLoss(), torch.zeros(1, 10), torch.tensor([3]))
        tensor([0.1320], dtype=torch.float64)

    Source: derivations.md, section 5.
    """
    _check_step(step)
    device = double_device(logits.device)
    logits, target = logits.to(device).double(), target.to(device)
    change = -step * logit_gradient(loss, logits, target)
    h = logits.softmax(-1)
    index = target.unsqueeze(-1)
    own = change.gather(-1, index)
    # Differences of exponentials by expm1, scaled by the largest: neither cancels nor overflows.
    largest = change.amax(-1, keepdim=True)
    gap = -(-(own - change).abs()).expm1() * (torch.maximum(own, change) - largest).exp() * (own - change).sign()
    gain = (h * gap).sum(-1) / (h * (change - largest).exp()).sum(-1)
    return h.gather(-1, index).squeeze(-1) * gain


def _check(loss: AnyLoss, epsilon: Tensor | float, num_classes: int, step: float) -> Tensor:
    check_classes_of(loss, num_classes)
    _check_step(step)
    epsilon = torch.as_tensor(epsilon, dtype=torch.float64, device=device_of(loss))
    if not bool(((epsilon > 0.0) & (epsilon < 1.0)).all()):
        raise SettingsError("epsilon inside (0, 1)", str(epsilon), "Pass 1 - h_T of samples that are neither 0 nor 1.")
    return epsilon


def _check_step(step: float) -> None:
    if not step > 0.0:
        raise SettingsError("a positive step", repr(step), "Use 1.0, the papers' choice.")
