"""Repetitions among candidates, so that one training serves them all."""

import functools
from collections.abc import Callable
from typing import get_args

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import TreeLoss
from glo_lightning.losses.expression import parse
from glo_lightning.losses.expression.algebra import simplified_text
from glo_lightning.search.samplers.screens import Sameness
from glo_lightning.theory.behaviour import behaviour_key


def repetition_key(sameness: Sameness, num_classes: int, label_smoothing: float = 0.0) -> Callable[[str], str]:
    """Return the function that maps expressions to text which repetitions share.

    Args:
        sameness: what must agree: ``"behaviour"``, gamma up to a constant; ``"shape"``, gamma up to a constant and a
            positive factor, for optimizers like Adam; or ``"formula"``, the paper's, the formula up to algebra.
        num_classes: C, 2 or more.
        label_smoothing: of the losses that will be trained, in [0, 1).

    Raises:
        SettingsError: if ``sameness`` is none of these.

    Example:
        >>> key = repetition_key("behaviour", num_classes=10)
        >>> key("y * log(h)") == key("log(h / y) * y * y + 3")
        False
        >>> key("y * log(h)") == key("y * y * log(h) + 3")
        True
    """
    if sameness not in get_args(Sameness):
        raise SettingsError(f"one of {', '.join(get_args(Sameness))}", repr(sameness), "Use 'behaviour'.")
    if sameness == "formula":
        return _formula_key
    return functools.partial(_behaviour_key, num_classes, label_smoothing, sameness == "shape")


def _formula_key(expression: str) -> str:
    return simplified_text(parse(expression))


def _behaviour_key(num_classes: int, label_smoothing: float, modulo_scale: bool, expression: str) -> str:
    try:
        loss = TreeLoss(expression, label_smoothing=label_smoothing)
    except LossError:
        # Defined nowhere: it behaves as nothing else does.
        return f"undefined: {expression}"
    return behaviour_key(loss, num_classes, modulo_scale=modulo_scale)
