"""Where a loss is in a space of vectors: what turns a loss that somebody knows into a search's first step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from glo_lightning.losses import (
    AbsoluteErrorLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    HuberLoss,
    LogCoshLoss,
    Loss,
    ResidualLoss,
    SigmoidLoss,
)
from glo_lightning.losses.scaled import unscaled
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.drive import DriveSpace, TwoSidedDriveSpace, shape_of
from glo_lightning.search.spaces.residual import ResidualSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace, HeadsSpace

NEARLY_ABSOLUTE = 0.1
"""The scale, in standard deviations of the targets, at which a residual loss stands for the absolute error."""


@dataclass(frozen=True)
class Place:
    """A point of a space.

    Args:
        parameters: of the point, by name.
        factor: what the learning rate is multiplied by there.
    """

    parameters: Mapping[str, float]
    factor: float = 1.0


def locate(space: LossSpace, loss: Loss, factor: float = 1.0) -> Place | None:
    """Return the point whose loss trains as a loss does, or nearly; None where the space has none.

    Losses of residuals stand for their smooth likes: Huber's for a pseudo-Huber loss of the same delta.

    Args:
        space: of the drive or the residual family; others contain cross-entropy at best.
        loss: for the outputs of the space's losses.
        factor: what multiplies the learning rate; where the space has a scale, the scale takes it.

    Example:
        >>> locate(DriveSpace(10), DriveLoss.like("gce"), factor=2.0).parameters["q"]
        0.7
        >>> locate(DriveSpace(10), CrossEntropyLoss(label_smoothing=0.1)) is None
        True
    """
    loss, scale = unscaled(loss)
    factor *= scale
    if factor <= 0.0:
        return None
    if isinstance(space, HeadsSpace):
        inside = locate(space.space, loss, factor)
        return None if inside is None else Place(space.repeated(inside.parameters), inside.factor)
    if isinstance(space, ClassAwareSpace):
        return _locate_aware(space, loss, factor)
    if isinstance(space, DriveSpace):
        return _locate_drive(space, loss, factor)
    if isinstance(space, TwoSidedDriveSpace):
        return _locate_two_sided(space, loss, factor)
    return _locate_residual(loss, factor) if isinstance(space, ResidualSpace) else None


def _locate_aware(space: ClassAwareSpace, loss: Loss, factor: float) -> Place | None:
    own = dict.fromkeys(("tau", "beta", "margin"), 0.0)
    if isinstance(loss, ClassAwareLoss):
        if tuple(loss.class_counts) != tuple(map(float, space.class_counts)):
            return None
        own, loss = {name: float(getattr(loss, name)) for name in own}, loss.loss
    inside = locate(space.space, loss, factor)
    return None if inside is None else Place({**inside.parameters, **own}, inside.factor)


def _locate_drive(space: DriveSpace, loss: Loss, factor: float) -> Place | None:
    drive = _as_drive(loss, space.num_classes)
    if drive is None or any(drive.c.tolist()[2:]):
        return None
    return _scaled(shape_of(drive), float(drive.scale) * factor, space.with_scale)


def _locate_two_sided(space: TwoSidedDriveSpace, loss: Loss, factor: float) -> Place | None:
    drive = _as_drive(loss.loss if isinstance(loss, SigmoidLoss) else loss, 2)
    if drive is None or any(drive.c.tolist()):
        return None
    shape = {"balance": 0.0, **{f"{name}_{side}": float(getattr(drive, name)) for side in _SIDES for name in "qg"}}
    return _scaled(shape, float(drive.scale) * factor, space.with_scale)


_SIDES = ("yes", "no")


def _as_drive(loss: Loss, num_classes: int) -> DriveLoss | None:
    if isinstance(loss, CrossEntropyLoss) and not loss.label_smoothing:
        return DriveLoss(num_classes=num_classes)
    if not isinstance(loss, DriveLoss) or loss.num_classes != num_classes or loss.label_smoothing:
        return None
    return loss if float(loss.scale) > 0.0 else None


def _scaled(shape: dict[str, float], scale: float, has_scale: bool) -> Place:
    return Place({"log_scale": math.log(scale), **shape}) if has_scale else Place(shape, scale)


def _locate_residual(loss: Loss, factor: float) -> Place | None:
    if isinstance(loss, ResidualLoss):
        alpha, scale, skew = (float(getattr(loss, name)) for name in ("alpha", "scale", "skew"))
    elif isinstance(loss, HuberLoss | LogCoshLoss):
        alpha, scale, skew = 1.0, loss.delta if isinstance(loss, HuberLoss) else 1.0, 0.0
    elif isinstance(loss, AbsoluteErrorLoss):
        alpha, scale, skew = 1.0, NEARLY_ABSOLUTE, 0.0
        factor /= NEARLY_ABSOLUTE  # far residuals pull with the scale, and with 1 in the absolute error
    else:
        return None
    # Whether a loss grows with the spread of the targets or with its square, the learning rate makes up for it.
    factor *= loss.factor / ResidualLoss.factor * float(loss.sigma.mean()) ** (loss.power - ResidualLoss.power)
    return Place({"alpha": alpha, "log_scale": math.log(scale), "skew": skew}, factor)
