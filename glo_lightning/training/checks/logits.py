"""Refuse models that return probabilities, of which a loss would take the softmax or sigmoid once more."""

import re

import torch
from torch import Tensor

from glo_lightning.callbacks.label_range import TOLERANCE
from glo_lightning.errors import LossError
from glo_lightning.losses import Outputs

SHAPE_CHANGES = re.compile(
    "(Alias|Clone|Expand|Permute|Select|Slice|Squeeze|T|ToCopy|Transpose|UnsafeView|Unsqueeze|View)Backward"
)
"""Operations, as autograd calls them, that leave values as they are."""


def refuse_probabilities(logits: Tensor, outputs: Outputs) -> None:
    """Refuse the outputs of a softmax or sigmoid.

    Args:
        logits: of one batch, any shape.
        outputs: what the logits mean.

    Raises:
        LossError: if they are probabilities: rows in [0, 1] that sum to 1; or, of sigmoid outputs, for which any number
            might be a logit, what a sigmoid returned.

    Example:
        >>> refuse_probabilities(torch.randn(8, 3), "softmax")
        >>> refuse_probabilities(torch.randn(8, 3).softmax(1), "softmax")
        Traceback (most recent call last):
        glo_lightning.errors.LossError: Expected logits, got probabilities, which sum to 1 over the classes. ...
    """
    if outputs == "real":
        return
    if outputs == "sigmoid":
        if _is_sigmoid(logits):
            raise LossError(
                "logits, one per question",
                "probabilities, which a sigmoid returned",
                "Return what goes into the network's last sigmoid, instead of what comes out: the loss has its own.",
            )
        return
    values = logits.detach()
    if values.numel() and bool(((values >= 0) & (values <= 1)).all()):
        sums = values.to("cpu", torch.float64).sum(1)
        if bool(((sums - 1.0).abs() <= TOLERANCE).all()):
            raise LossError(
                "logits",
                "probabilities, which sum to 1 over the classes",
                "Return what goes into the network's last softmax, instead of what comes out: the loss has its own.",
            )


def _is_sigmoid(logits: Tensor) -> bool:
    step = logits.grad_fn
    while step is not None and SHAPE_CHANGES.match(step.name()):
        step = step.next_functions[0][0]
    return step is not None and step.name().startswith("SigmoidBackward")
