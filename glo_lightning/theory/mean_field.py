"""Predict the accuracy of many candidate losses from a kernel probe, without training."""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import cast

import torch
from torch import Tensor

from glo_lightning.errors import SettingsError
from glo_lightning.losses import Loss, TaylorLoss
from glo_lightning.theory.gamma import gamma_polynomials, logit_gradient
from glo_lightning.theory.probe import KernelProbe


def predict_accuracy(
    losses: Sequence[Loss],
    probe: KernelProbe,
    learning_rate: float,
    steps: int,
    momentum: float = 0.0,
    batch_size: int = 64,
    num_draws: int = 4,
    seed: int = 0,
) -> Tensor:
    r"""Predict which share of classes a network will tell apart after SGD on each loss.

    One logit vector F_c per class follows the kernel's dynamics under sampled minibatch class shares w:

    .. math:: V_c \leftarrow m V_c + (\lambda_c - \lambda_d) \sum_{c'} w_{c'} g_{c'} + C \lambda_d w_c g_c,
        \qquad F_c \leftarrow F_c - \eta V_c

    The prediction is a score for ranking and screening, not a forecast of accuracy to the percent: it knows nothing of
    the data but two numbers. It is least reliable where the kernel at the start is not that of training, as with
    zero-initialised last layers.

    Args:
        losses: K candidates. Taylor losses of y and h run all at once, others one after another.
        probe: from :func:`probe_kernel`.
        learning_rate: of SGD, positive.
        steps: training steps, 1 or more.
        momentum: of SGD, in [0, 1).
        batch_size: samples per minibatch, 1 or more.
        num_draws: random starts and minibatch sequences to average.
        seed: of the draws, the same for all candidates.

    Returns:
        Predicted accuracies, shape (K,), float64, in [0, 1]; 0 where the dynamics diverge.

    Raises:
        SettingsError: if a training argument is outside its range.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss, ScaledLoss
        >>> probe = KernelProbe(50.0, 1.0, common_spread=0.1, sample_spread=0.1, num_classes=4)
        >>> predict_accuracy([CrossEntropyLoss(), ScaledLoss(CrossEntropyLoss(), -1.0)], probe, 0.1, steps=100)
        tensor([1.0000, 0.2500], dtype=torch.float64)

    Source: derivations.md, section 7.6.
    """
    if not (learning_rate > 0.0 and steps >= 1 and 0.0 <= momentum < 1.0 and batch_size >= 1 and num_draws >= 1):
        raise SettingsError(
            "learning_rate above 0, steps, batch_size and num_draws of 1 or more, momentum in [0, 1)",
            f"{learning_rate}, {steps}, {batch_size}, {num_draws}, {momentum}",
            "Pass the values the network will train with.",
        )
    gradient = _gradients(losses, probe.num_classes)
    num_classes = probe.num_classes
    generator = torch.Generator().manual_seed(seed)
    draws = (num_draws, 1, num_classes, num_classes)
    common = torch.randn(num_draws, 1, 1, num_classes, generator=generator, dtype=torch.float64)
    own = torch.randn(draws, generator=generator, dtype=torch.float64)
    logits = (probe.common_spread * common + probe.sample_spread * own).expand(-1, len(losses), -1, -1)
    velocity = torch.zeros_like(logits)
    balanced = torch.full((num_draws, num_classes), 1.0 / num_classes, dtype=torch.float64)
    for _ in range(steps):
        drawn = torch.multinomial(balanced, batch_size, replacement=True, generator=generator)
        shares = torch.nn.functional.one_hot(drawn, num_classes).double().mean(1)
        pull = shares[:, None, :, None] * gradient(logits)
        shared = (probe.constant - probe.discriminative) * pull.sum(-2, keepdim=True)
        velocity = momentum * velocity + shared + num_classes * probe.discriminative * pull
        logits = logits - learning_rate * velocity
    correct = logits.argmax(-1) == torch.arange(num_classes)
    return (correct & logits.isfinite().all(-1)).double().mean((0, 2))


Gradient = Callable[[Tensor], Tensor]
"""From the logits of each class, (draws, K, C, C), to the gradients that each class's own label gives."""


def _gradients(losses: Sequence[Loss], num_classes: int) -> Gradient:
    polynomial = [isinstance(loss, TaylorLoss) and set(loss.inputs) <= {"y", "h"} for loss in losses]
    divisors = torch.tensor([num_classes if loss.class_reduction == "mean" else 1 for loss in losses])
    together = torch.tensor(polynomial)
    of_polynomials = _polynomial_gradients([cast(TaylorLoss, one) for one in compress(losses, polynomial)], num_classes)
    apart = [(k, loss) for k, loss in enumerate(losses) if not polynomial[k]]
    targets = torch.arange(num_classes)

    def gradient(logits: Tensor) -> Tensor:
        result = torch.empty_like(logits)
        if any(polynomial):
            result[:, together] = of_polynomials(logits[:, together])
        for k, loss in apart:
            rows = logits[:, k].reshape(-1, num_classes)
            result[:, k] = logit_gradient(loss, rows, targets.repeat(len(logits))).reshape(logits[:, k].shape)
        return result / divisors.view(-1, 1, 1)

    return gradient


def _polynomial_gradients(losses: Sequence[TaylorLoss], num_classes: int) -> Gradient:
    """Evaluate gamma by its polynomials, whose constant has no effect on gradients and is left out."""
    degree = max((loss.order for loss in losses), default=1)
    nontarget, difference = (torch.zeros(degree, len(losses), 1, dtype=torch.float64) for _ in range(2))
    for k, loss in enumerate(losses):
        of_nontarget, of_target = (torch.tensor(p, dtype=torch.float64) for p in gamma_polynomials(loss, num_classes))
        difference[: loss.order, k, 0] = of_target - of_nontarget
        nontarget[1 : loss.order, k, 0] = of_nontarget[1:]

    def gradient(logits: Tensor) -> Tensor:
        h = logits.softmax(-1)
        own = h.diagonal(dim1=-2, dim2=-1)
        gamma = _horner(nontarget.unsqueeze(-1), h) + torch.diag_embed(_horner(difference, own))
        return -h * (gamma - (gamma * h).sum(-1, keepdim=True))

    return gradient


def _horner(coefficients: Tensor, x: Tensor) -> Tensor:
    value = torch.zeros_like(x)
    for coefficient in coefficients.flip(0):
        value = value * x + coefficient
    return value
