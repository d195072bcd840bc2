"""The scale of a loss, which acts as a learning rate, apart from its shape."""

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import DriveLoss, HeadsLoss, Loss, ScaledLoss, TaylorLoss
from glo_lightning.theory.gamma import AnyLoss
from glo_lightning.theory.regime import null_epoch


def startup_drive(loss: AnyLoss, num_classes: int) -> float:
    r"""Return the drive that training feels at the null epoch: d0, or of a mean over classes d0 / C.

    .. math:: \frac{\partial L}{\partial f} = -\frac{d}{C} \Big(y - \frac1C\Big)

    Training starts as cross-entropy's does with its learning rate multiplied by d / C.

    Args:
        loss: a loss, or a black box that treats all classes alike, whose drive is that of what it returns.
        num_classes: C, 2 or more.

    Returns:
        d; NaN where the loss is undefined.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number: one of sigmoid outputs is for 2.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> startup_drive(CrossEntropyLoss(), 10), startup_drive(CrossEntropyLoss(class_reduction="mean"), 10)
        (10.0, 1.0)

    Source: derivations.md, section 7.3.
    """
    drive = null_epoch(loss, num_classes).drive
    return drive / num_classes if isinstance(loss, Loss) and loss.class_reduction == "mean" else drive


def normalize_drive(loss: Loss, num_classes: int) -> Loss:
    r"""Scale a loss so that it starts with cross-entropy's gradient.

    .. math:: \ell \to \frac{C}{d}\, \ell

    Learning rates tuned for cross-entropy then suit it, and what sets it apart is its shape alone.

    Args:
        loss: a loss with a positive drive; of several heads, each is scaled to its own.
        num_classes: C, 2 or more.

    Returns:
        A loss whose :func:`startup_drive` is C: of the same family if that is closed under scaling, else a
        :class:`ScaledLoss`.

    Raises:
        LossError: if the drive is not positive.

    Example:
        >>> from glo_lightning.losses import MeanSquaredErrorLoss
        >>> normalize_drive(MeanSquaredErrorLoss(), num_classes=10).factor
        5.0

    Source: derivations.md, section 7.3.
    """
    if isinstance(loss, HeadsLoss):
        return loss.rewrapped(lambda each: normalize_drive(each, num_classes))
    drive = startup_drive(loss, num_classes)
    if not drive > 0.0:
        raise LossError(
            "a loss with a positive drive",
            null_epoch(loss, num_classes).undefined or f"drive {drive:.4g}",
            "Such a loss does not start downhill: leave it out, as trainability(...).exact tells.",
        )
    return scale_loss(loss, num_classes / drive)


def scale_loss(loss: Loss, factor: float) -> Loss:
    """Multiply a loss by a positive constant, within its family where that is possible.

    Args:
        loss: any loss.
        factor: positive and finite.

    Returns:
        A loss of the same family for a Taylor or a drive loss, with its fast paths, and for a :class:`HeadsLoss`; else
        a :class:`ScaledLoss`.

    Raises:
        LossError: if the scaled loss overflows.
        SettingsError: if ``factor`` is not positive.

    Source: derivations.md, section 7.3.
    """
    if not factor > 0.0:
        raise SettingsError("a positive factor", repr(factor), "A negative one would turn the loss around.")
    if isinstance(loss, HeadsLoss):
        return loss.rewrapped(lambda each: scale_loss(each, factor))
    if isinstance(loss, TaylorLoss):
        theta = loss.theta.clone()
        theta[len(loss.inputs) :] *= factor
        return loss.with_theta(theta)
    if isinstance(loss, DriveLoss):
        return loss.with_scale(float(loss.scale) * factor)
    if isinstance(loss, ScaledLoss):
        return ScaledLoss(loss.loss, loss.factor * factor)
    return ScaledLoss(loss, factor)
