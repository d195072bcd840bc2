"""Refuse logits and labels that a search cannot train with, and name the cure for each kind of task."""

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses import Outputs
from glo_lightning.losses.base import describe

TOLERANCE = 1e-3
"""How far from 1 a label distribution may sum: half precision is no closer."""

YES_OR_NO = (
    "For yes-or-no labels with a logit each, set --search.outputs=sigmoid and give floating labels of that shape."
)
REGRESSION = (
    "Real-valued targets have no classes: cut their range into intervals and predict the interval, "
    "or keep the model's own loss."
)


def check_labels(logits: Tensor, target: Tensor, outputs: Outputs) -> int:
    """Refuse what does not fit, values included, which a loss itself does not look at.

    Args:
        logits: of one batch, any shape.
        target: its labels.
        outputs: what the logits mean.

    Returns:
        The number of classes: 2 for sigmoid outputs.

    Raises:
        LossError: if the labels are not what losses of such outputs take.

    Example:
        >>> check_labels(torch.zeros(8, 3, 32, 32), torch.zeros(8, 32, 32, dtype=torch.int64), "softmax")
        3
        >>> check_labels(torch.zeros(8, 1), torch.randn(8, 1), "softmax")
        Traceback (most recent call last):
        glo_lightning.errors.LossError: Expected a logit for each of 2 or more classes, got ...
    """
    if outputs == "sigmoid":
        _check_yes_or_no(logits, target)
        return 2
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise LossError(
            "a logit for each of 2 or more classes",
            f"logits {describe(logits)} and labels {describe(target)}",
            f"{YES_OR_NO} {REGRESSION}",
        )
    if target.shape == logits.shape and not _are_distributions(target):
        raise LossError(
            "class indices, or label distributions that sum to 1 over the classes",
            f"{describe(target)} with other values",
            f"{YES_OR_NO} {REGRESSION}",
        )
    return logits.shape[1]


def _are_distributions(target: Tensor) -> bool:
    sums = target.cpu().double().sum(1)
    return target.is_floating_point() and bool((target >= 0).all() and ((sums - 1.0).abs() <= TOLERANCE).all())


def _check_yes_or_no(logits: Tensor, target: Tensor) -> None:
    if target.shape == logits.shape[:1] + logits.shape[2:] and target.dtype == torch.int64 and logits.ndim > 1:
        raise LossError(
            "floating labels of the logits' shape for --search.outputs=sigmoid",
            f"logits {describe(logits)} and labels {describe(target)}",
            "For one class per sample leave --search.outputs out; for one logit per sample pass "
            "labels.float().view_as(logits).",
        )
    if target.is_floating_point() and not bool(((target >= 0) & (target <= 1)).all()):
        raise LossError(
            "labels in [0, 1], no and yes, for --search.outputs=sigmoid",
            f"labels from {float(target.min()):g} to {float(target.max()):g}",
            REGRESSION,
        )
