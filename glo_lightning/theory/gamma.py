"""Gamma, the force a loss puts on scaled logits, taken apart: for one class, for a symmetric sample, for any."""

from collections.abc import Callable
from typing import TypeAlias, TypeGuard

import torch
from torch import Tensor, nn
from torch.func import functional_call

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import Loss, TaylorLoss, label_distribution

AnyLoss: TypeAlias = Loss | Callable[[Tensor, Tensor], Tensor]
"""A Loss, or a black box: logits (N, C) and targets (N,) int64 to a scalar that sums over classes, as torch's do."""


def drive(loss: AnyLoss, confidence: Tensor | float, num_classes: int) -> Tensor:
    r"""Return gamma of the target minus gamma of a non-target, where all non-targets are equal.

    .. math:: D(h_T) = \gamma(h_T, y_T) - \gamma\Big(\frac{1 - h_T}{C - 1}, y_N\Big)

    A training step raises the confidence where D > 0 and lowers it where D < 0. Unlike gamma, D does not depend on
    constants added to gamma, which no training can feel.

    Args:
        loss: a loss, taken as a sum over classes whatever ``class_reduction`` says; or a black box that treats all
            classes alike, taken as what it returns.
        confidence: h_T, the target's scaled logit, any shape, in (0, 1).
        num_classes: C, 2 or more.

    Returns:
        D, shape of ``confidence``, float64.

    Raises:
        SettingsError: if ``confidence`` or ``num_classes`` is outside its range, or the loss for other classes.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> drive(CrossEntropyLoss(), torch.tensor([0.25, 0.5]), num_classes=4)
        tensor([4., 2.], dtype=torch.float64)

    Source: derivations.md, section 4.
    """
    check_classes_of(loss, num_classes)
    h = torch.as_tensor(confidence, dtype=torch.float64, device=device_of(loss))
    if not bool(((h > 0.0) & (h < 1.0)).all()):
        raise SettingsError("confidences inside (0, 1)", str(h), "Leave out 0 and 1 themselves.")
    if has_gamma(loss):
        target, nontarget = symmetric_gamma(loss, h, num_classes)
        return target - nontarget
    others = ((1.0 - h) / (num_classes - 1)).unsqueeze(-1).expand(*h.shape, num_classes - 1)
    logits = torch.cat([h.unsqueeze(-1), others], -1).log().reshape(-1, num_classes)
    logits = logits - logits.mean(-1, keepdim=True)
    # All classes are alike, but of two, a loss may tell yes from no: then the mean of both sides counts.
    pulls = []
    for label in (0, 1) if num_classes == 2 else (0,):
        labels = torch.full((len(logits),), label, device=h.device)
        pull = -logit_gradient(loss, logits.roll(label, -1), labels)
        pulls.append(pull[:, label] - pull.mean(-1))
    return torch.stack(pulls).mean(0).reshape(h.shape) / (h * (1.0 - h))


def symmetric_gamma(loss: Loss, confidence: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return gamma of the target and of each non-target, where all non-targets are equal.

    Args:
        loss: a loss of scaled logits; its own label smoothing is applied.
        confidence: h_T, any shape, float64, in [0, 1].
        num_classes: C, 2 or more.

    Returns:
        Two tensors of the shape of ``confidence``.

    Source: derivations.md, section 4.
    """
    nontarget_label, target_label = label_values(loss, num_classes)
    others = (1.0 - confidence) / (num_classes - 1)
    return (
        loss.gamma(confidence, torch.full_like(confidence, target_label)),
        loss.gamma(others, torch.full_like(others, nontarget_label)),
    )


def gamma_polynomials(loss: TaylorLoss, num_classes: int) -> tuple[list[float], list[float]]:
    """Return a Taylor loss's gamma as polynomials of h: for a non-target and for the target.

    Args:
        loss: a Taylor loss of scaled logits, at its current progress; its own label smoothing is applied.
        num_classes: C, 2 or more.

    Returns:
        p0 and p1, coefficients of h^0 to h^(K - 1).

    Raises:
        LossError: if the loss depends on unscaled logits.

    Example:
        >>> gamma_polynomials(TaylorLoss([0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0]), num_classes=10)
        ([0.0, -2.0, 0.0], [2.0, -2.0, 0.0])

    Source: derivations.md, section 3.
    """
    labels = torch.tensor(label_values(loss, num_classes), dtype=torch.float64, device=device_of(loss))
    nontarget, target = loss.label_polynomials(labels).mT.tolist()
    return _derivative(nontarget), _derivative(target)


def _derivative(polynomial: list[float]) -> list[float]:
    return [j * value for j, value in enumerate(polynomial)][1:]


def logit_gradient(loss: AnyLoss, logits: Tensor, target: Tensor) -> Tensor:
    r"""Return each sample's own gradient of the loss, summed over classes.

    .. math:: \frac{\partial L}{\partial f_k} = -h_k \Big(\gamma_k - \sum_i \gamma_i h_i\Big)

    Args:
        loss: as in :func:`sample_losses`.
        logits: shape (N, C), floating.
        target: as in :func:`sample_losses`.

    Returns:
        Gradients, shape (N, C).

    Source: derivations.md, section 1.
    """
    gradient: Tensor = torch.func.grad(lambda f: sample_losses(loss, f, target).sum())(logits)
    return gradient


def sample_losses(loss: AnyLoss, logits: Tensor, target: Tensor) -> Tensor:
    """Return the loss of each sample, summed over classes whatever ``class_reduction`` says.

    Args:
        loss: a loss, or a black box, which is called once per sample because its batch reduction is unknown. The
            tensors of one that is a module are taken in the logits' precision.
        logits: shape (N, C), floating.
        target: shape (N,) int64, or for a :class:`Loss` also (N, C) floating.

    Returns:
        Losses, shape (N,).
    """
    if isinstance(loss, Loss):
        if not loss.is_separable:
            raise LossError(
                "a loss of which each sample has its own",
                f"{type(loss).__name__}, where it depends on the others in its batch",
                "Train and compare it: theory judges samples one by one.",
            )
        return loss.per_class(logits, loss.smooth(label_distribution(logits, target))).sum(-1)
    black_box = _with_tensors_like(loss, logits) if isinstance(loss, nn.Module) else loss
    pairs = zip(logits.unsqueeze(1), target.unsqueeze(1), strict=True)
    return torch.stack([black_box(row, label).sum() for row, label in pairs])


def _with_tensors_like(module: nn.Module, logits: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a module's call with its class weights and the like as precise as the logits, and where they are."""
    own = {
        name: tensor.to(logits.device).to(logits.dtype) if tensor.is_floating_point() else tensor.to(logits.device)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    return (lambda row, label: functional_call(module, own, (row, label))) if own else module


def label_values(loss: Loss, num_classes: int) -> tuple[float, float]:
    """Return the labels a loss sees for a non-target and for the target, after its own smoothing."""
    smoothing = loss.label_smoothing
    return smoothing / num_classes, 1.0 - smoothing + smoothing / num_classes


def has_gamma(loss: AnyLoss) -> TypeGuard[Loss]:
    """Tell whether gamma is defined: of a black box, or a loss of unscaled logits, only the gradient is."""
    if not isinstance(loss, Loss) or not loss.is_separable:
        return False
    half = torch.full((1,), 0.5, dtype=torch.float64, device=device_of(loss))
    try:
        loss.gamma(half, half)
    except LossError:
        return False
    return True


def device_of(loss: AnyLoss) -> torch.device:
    """Return the device a loss keeps its numbers on; a black box is asked on the CPU."""
    return next(loss.buffers()).device if isinstance(loss, Loss) else torch.device("cpu")


def check_num_classes(num_classes: int) -> None:
    """Refuse fewer than two classes."""
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise SettingsError("num_classes of 2 or more", repr(num_classes), "Count the labels of your data.")


def check_classes_of(loss: AnyLoss, num_classes: int) -> None:
    """Refuse fewer than two classes, and others than a loss is for.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss is for another number.
    """
    check_num_classes(num_classes)
    if not isinstance(loss, Loss):
        return
    if loss.outputs == "sigmoid" and num_classes != 2:
        raise SettingsError(
            "num_classes=2 for a loss of sigmoid outputs, each of which is a yes or a no",
            repr(num_classes),
            "Pass 2, however many labels there are.",
        )
    if loss.num_classes not in (None, num_classes):
        raise SettingsError(
            f"num_classes={loss.num_classes}, for which the loss was made",
            repr(num_classes),
            f"Pass {loss.num_classes}, or make it for {num_classes} classes.",
        )
