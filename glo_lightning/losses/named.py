"""Losses that have a name: the classic ones and those the papers published."""

from collections.abc import Callable

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.classic import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    MeanSquaredErrorLoss,
    PolyLoss,
)
from glo_lightning.losses.taylor import TaylorLoss

TAYLORGLO_1 = (0.8439, 1.4872, 1.5742, -1.4446, 2.3616, -0.6632, -2.8569, -1.1313)
TAYLORGLO_2 = (-10.9408, 7.5216, 8.2896, 0.2415, 7.8726, 8.9666, 2.0184, 7.0513)
"""The two parameter vectors the TaylorGLO authors published: third order, folded, centre first."""

NAMED_LOSSES: dict[str, Callable[[], Loss]] = {
    "cross_entropy": CrossEntropyLoss,
    "mse": MeanSquaredErrorLoss,
    "focal": FocalLoss,
    "poly": PolyLoss,
    "baikal": BaikalLoss,
    "baikal_cma": BaikalCMALoss,
    "taylorglo_1": lambda: TaylorLoss(TAYLORGLO_1, folded=True),
    "taylorglo_2": lambda: TaylorLoss(TAYLORGLO_2, folded=True),
}


def named_loss(name: str) -> Loss:
    """Return a new loss by its name.

    Args:
        name: one of ``NAMED_LOSSES``.

    Raises:
        LossError: if no loss has this name.

    Example:
        >>> named_loss("cross_entropy")
        CrossEntropyLoss(class_reduction='sum', reduction='mean', label_smoothing=0.0)

    Source: derivations.md, sections 2 and 7.5.
    """
    if name not in NAMED_LOSSES:
        raise LossError(f"a name out of {', '.join(NAMED_LOSSES)}", repr(name), "Check it, or load a stored loss.")
    return NAMED_LOSSES[name]()
