"""Refuse logits and labels that a search cannot train with, and name the cure for each kind of task."""

import torch
from torch import Tensor

from glo_lightning.callbacks.label_range import MISSING, TOLERANCE, regression
from glo_lightning.errors import LossError
from glo_lightning.losses import Outputs
from glo_lightning.losses.batch import describe
from glo_lightning.losses.regression import check_predictions
from glo_lightning.options import option


def check_labels(logits: Tensor, target: Tensor, outputs: Outputs) -> int:
    """Refuse what does not fit, values included, which a loss itself does not look at.

    Args:
        logits: of one batch, any shape.
        target: its labels.
        outputs: what the logits mean.

    Returns:
        The number of classes: 2 for sigmoid outputs; of real ones, how many numbers are predicted.

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
    if outputs == "real":
        _check_real(logits, target)
        return logits.shape[1] if logits.ndim > 1 else 1
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise LossError(
            "a logit for each of 2 or more classes",
            f"logits {describe(logits)} and labels {describe(target)}",
            _cure_for_values(target),
        )
    if target.shape == logits.shape and not _are_distributions(target):
        raise LossError(
            "class indices, or label distributions that sum to 1 over the classes",
            f"{describe(target)} with other values",
            MISSING["softmax"]
            if len(rows := _labelled(target)) and _are_distributions(rows)
            else _cure_for_values(target),
        )
    return logits.shape[1]


def _cure_for_values(target: Tensor) -> str:
    """Tell yes-or-no labels, some of which may be missing, from real values."""
    others = _others(target)
    yes_or_no = (
        f"For yes-or-no labels with a logit each, set {option('outputs', 'sigmoid')}, and give floating labels of "
        "that shape."
    )
    if not len(others):
        return yes_or_no
    if bool(((others > 0) & (others < 1)).all()):
        return f"{yes_or_no} {regression()}"
    return f"{yes_or_no} {MISSING['sigmoid']}" if _are_missing(others, target) else regression()


def _others(target: Tensor) -> Tensor:
    """Return the labels that are neither yes nor no, shape (M,)."""
    return target[(target != 0) & (target != 1)].detach().double()


def _are_missing(others: Tensor, target: Tensor) -> bool:
    """Whether the labels are yes or no but for one number, or NaN, which says that there is none."""
    return len(others) < target.numel() and bool(others.isnan().all() or (others == others[0]).all())


def _labelled(target: Tensor) -> Tensor:
    """Return the rows (M, C) that may be labels, of float targets; none if these are all."""
    rows = target.movedim(1, -1).flatten(0, -2)
    labelled = rows[((rows >= 0) & (rows <= 1)).all(1)]
    return labelled if len(labelled) < len(rows) else labelled[:0]


def _are_distributions(target: Tensor) -> bool:
    sums = target.cpu().double().sum(1)
    return target.is_floating_point() and bool((target >= 0).all() and ((sums - 1.0).abs() <= TOLERANCE).all())


def _check_real(prediction: Tensor, target: Tensor) -> None:
    if target.dtype == torch.int64 and prediction.ndim > 1 and prediction.shape[1] > 1 and target.ndim == 1:
        raise LossError(
            f"floating targets of the predictions' shape for {option('outputs', 'real')}",
            f"predictions {describe(prediction)} and targets {describe(target)}",
            f"For class indices leave {option('outputs')} out; for numbers give the network one output for each.",
        )
    check_predictions(prediction, target)
    if not bool(target.isfinite().all()):
        found = int(target.isfinite().logical_not().sum())
        raise LossError("finite targets", f"{found} of {target.numel()} that are NaN or infinite", MISSING["real"])


def _check_yes_or_no(logits: Tensor, target: Tensor) -> None:
    if target.shape == logits.shape[:1] + logits.shape[2:] and target.dtype == torch.int64 and logits.ndim > 1:
        raise LossError(
            f"floating labels of the logits' shape for {option('outputs', 'sigmoid')}",
            f"logits {describe(logits)} and labels {describe(target)}",
            f"For one class per sample leave {option('outputs')} out; for one logit per sample pass "
            "target.float().view_as(logits).",
        )
    if target.is_floating_point() and not bool(((target >= 0) & (target <= 1)).all()):
        others = _others(target)
        raise LossError(
            f"labels in [0, 1], no and yes, for {option('outputs', 'sigmoid')}",
            "NaN" if bool(others.isnan().any()) else f"labels from {float(target.min()):g} to {float(target.max()):g}",
            MISSING["sigmoid"] if _are_missing(others, target) else regression(),
        )
