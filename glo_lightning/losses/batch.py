"""What a loss is called with: logits and labels that fit each other, and losses of a batch."""

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.options import Reduction


def label_distribution(logits: Tensor, target: Tensor) -> Tensor:
    """Turn class indices or label distributions into labels of the logits' shape.

    Args:
        logits: shape (N, C), floating, C >= 2.
        target: shape (N,), int64, in 0..C-1; or shape (N, C), floating.

    Returns:
        Labels, shape (N, C), dtype of the logits.

    Raises:
        LossError: if shapes, dtypes or class indices do not fit.

    Example:
        >>> label_distribution(torch.zeros(2, 3), torch.tensor([2, 0]))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    check_batch(logits, target)
    if target.is_floating_point():
        return target.to(logits.dtype)
    try:
        return torch.zeros_like(logits).scatter(-1, target.unsqueeze(-1), 1.0)
    except (RuntimeError, IndexError) as error:
        raise explain_labels(error, logits, target) from None


def check_batch(logits: Tensor, target: Tensor, num_classes: int | None = None) -> None:
    """Refuse logits and labels whose shapes or dtypes do not fit each other.

    Args:
        logits: as in :func:`label_distribution`.
        target: as in :func:`label_distribution`.
        num_classes: C, where a loss is for so many alone.

    Raises:
        LossError: if they do not fit.
    """
    shape = logits.shape
    if len(shape) != 2 or shape[1] < 2 or not logits.is_floating_point():
        raise LossError(
            "floating logits of shape (N, C) or (N, C, ...) with C >= 2",
            describe(logits),
            "Give every class a logit; for yes-or-no questions with one logit each, use SigmoidLoss(loss).",
        )
    if num_classes not in (None, shape[1]):
        raise LossError(
            f"logits of {num_classes} classes, for which the loss was made",
            f"{shape[1]}",
            f"Make it for {shape[1]} classes.",
        )
    if (
        target.is_floating_point()
        if target.shape == shape
        else target.shape == shape[:1] and target.dtype == torch.int64
    ):
        return
    raise LossError(
        f"labels of shape {tuple(shape[:1])} and dtype int64, or floating of shape {tuple(shape)}",
        describe(target),
        "Convert class indices with .long(), label distributions with .float(); for real values set outputs=real.",
    )


def explain_labels(error: Exception, logits: Tensor, target: Tensor) -> Exception:
    """Turn torch's complaint about a class index out of bounds into one that says what to do.

    Args:
        error: what torch raised.
        logits: shape (N, C).
        target: shape (N,), int64.

    Returns:
        A :class:`LossError`, or the error itself if it is about something else.
    """
    if "out of bounds" not in str(error):
        return error
    target = torch.func.debug_unwrap(target, recurse=True)
    return LossError(
        f"labels in 0..{logits.shape[-1] - 1}",
        f"labels from {int(target.min())} to {int(target.max())}",
        "Give the network one output per class, map the labels to 0..C-1, and leave out what has no label: "
        f"keep = (target >= 0) & (target < {logits.shape[-1]}), then logits.movedim(1, -1)[keep] and target[keep].",
    )


def reduce_batch(per_sample: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or sum over the batch, shape (), or with ``"none"`` the losses as they are, shape (N,)."""
    if reduction == "none":
        return per_sample
    return per_sample.mean() if reduction == "mean" else per_sample.sum()


def describe(tensor: Tensor) -> str:
    """Tell a tensor's dtype and shape in words."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
