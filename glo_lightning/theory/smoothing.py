"""Label smoothing as a change of the loss."""

import copy
from typing import TypeVar, cast

from glo_lightning.errors import SettingsError
from glo_lightning.losses import Loss, TaylorLoss, multi_indices
from glo_lightning.losses.wrapped import WrappedLoss
from glo_lightning.theory.gamma import check_num_classes

AnyFamily = TypeVar("AnyFamily", bound=Loss)


def smooth_labels(loss: AnyFamily, alpha: float, num_classes: int) -> AnyFamily:
    r"""Return the loss that sees plain labels as ``loss`` sees smoothed ones, in value and gradient.

    .. math:: \hat\ell(y, h) = \ell\Big((1 - \alpha) y + \frac{\alpha}{C}, h\Big)

    For a Taylor loss this is another Taylor loss of the same order:

    .. math:: \hat\theta_y = \frac{\theta_y - \alpha / C}{1 - \alpha}, \qquad
        \hat\theta_\beta = (1 - \alpha)^{\beta_y} \theta_\beta

    For other families the result is the same family with more ``label_smoothing``; around other losses, it is the same
    around those losses' results.

    Args:
        loss: any loss; smoothing it already has is kept and added to.
        alpha: smoothing, in [0, 1).
        num_classes: C, 2 or more; the result of a Taylor loss is for this number of classes only.

    Returns:
        A new loss of the same family.

    Raises:
        SettingsError: if ``alpha`` or ``num_classes`` is outside its range.

    Example:
        >>> from glo_lightning.losses import mean_squared_error_taylor
        >>> smooth_labels(mean_squared_error_taylor(2), 0.5, num_classes=10).theta
        tensor([-0.1000,  0.0000,  0.0000, -2.0000,  1.0000], dtype=torch.float64)

    Source: Theorem 3 of arXiv:2010.00788; derivations.md, section 6.
    """
    check_num_classes(num_classes)
    if not 0.0 <= alpha < 1.0:
        raise SettingsError("alpha in [0, 1)", repr(alpha), "Use 0.1, or 0.0 for plain labels.")
    if isinstance(loss, WrappedLoss):
        return cast(AnyFamily, loss.rewrapped(lambda inner: smooth_labels(inner, alpha, num_classes)))
    if isinstance(loss, TaylorLoss):
        return cast(AnyFamily, _smooth_taylor(loss, alpha, num_classes))
    smoothed = copy.deepcopy(loss)
    smoothed.label_smoothing = 1.0 - (1.0 - loss.label_smoothing) * (1.0 - alpha)
    return smoothed


def _smooth_taylor(loss: TaylorLoss, alpha: float, num_classes: int) -> TaylorLoss:
    """Move the centre of the label, and multiply each coefficient by 1 - alpha to the label's exponent."""
    if "y" not in loss.inputs:
        return copy.deepcopy(loss)
    num_inputs, label = len(loss.inputs), loss.inputs.index("y")
    exponents = loss.theta.new_tensor(multi_indices(loss.order, loss.inputs))[:, label]
    theta = loss.theta.clone()
    theta[label] = (theta[label] - alpha / num_classes) / (1.0 - alpha)
    theta[num_inputs:] *= (1.0 - alpha) ** exponents
    return loss.with_theta(theta)
