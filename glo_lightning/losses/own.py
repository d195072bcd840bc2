"""What a model's own loss is: what everybody trains with, or something that deserves a row of its own."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from glo_lightning.losses.base import Loss
from glo_lightning.losses.options import Outputs
from glo_lightning.losses.outputs import baseline_loss, in_units_of
from glo_lightning.losses.promises import Promises, name_of, options_of, with_reduction

MODULES: Mapping[Outputs, tuple[type[nn.Module], ...]] = {
    "softmax": (nn.CrossEntropyLoss, nn.NLLLoss),
    "sigmoid": (nn.BCEWithLogitsLoss,),
    "real": (),
}
"""Modules that are the baseline of such outputs, without weights and smoothing; of log-probabilities, NLLLoss is.

None is of numbers: torch's squared error is twice ours, whose gradient is the residual.
"""

FUNCTIONS: Mapping[Outputs, tuple[Callable[..., Any], ...]] = {
    "softmax": (nn.functional.cross_entropy, nn.functional.nll_loss),
    "sigmoid": (nn.functional.binary_cross_entropy_with_logits,),
    "real": (),
}
"""The same as functions."""


def is_baseline(own: Callable[..., Any], outputs: Outputs) -> bool:
    """Whether a model's own loss is known to be what everybody trains with; reduction and ignored labels aside.

    Args:
        own: a module, a function, or a function with some arguments filled in.
        outputs: what the model's outputs mean.

    Example:
        >>> is_baseline(nn.CrossEntropyLoss(reduction="sum", ignore_index=255), "softmax")
        True
        >>> is_baseline(nn.CrossEntropyLoss(label_smoothing=0.1), "softmax")
        False
    """
    if isinstance(own, Loss):
        return in_units_of(with_reduction(own, "mean"), 1.0).to_dict() == baseline_loss(outputs).to_dict()
    if Promises.of(own).lacking:
        return False
    if isinstance(own, functools.partial):
        return not own.args and is_baseline(own.func, outputs)
    own = getattr(own, "_orig_mod", own)  # of a compiled module
    return type(own) in MODULES[outputs] or own in FUNCTIONS[outputs]


def describe_own(own: Callable[..., Any]) -> str:
    """Tell a model's own loss in words that differ where its options do.

    Example:
        >>> import torch
        >>> describe_own(nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])))
        "BCEWithLogitsLoss(reduction='mean', pos_weight=[3.0])"
    """
    if isinstance(own, Loss):
        return f"{type(own).__name__}({own.to_dict()})"
    options = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in options_of(own).items()}
    told = [f"{name}={value!r}" for name, value in options.items() if value is not None]
    return f"{name_of(own)}({', '.join(told)})"
