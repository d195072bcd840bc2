"""Behaviour: what of a loss training can feel, as a key that losses which train identically share."""

import hashlib

import torch
from torch import Tensor

from glo_lightning.losses import Loss
from glo_lightning.losses.expression.domain import make_grid
from glo_lightning.theory.gamma import device_of, label_values

_DIGITS = 6
"""Decimals kept of each entry: far above rounding errors, far below differences that training would show."""

_NOISE = 1e-12
"""What is smaller than this share of the largest entry may be rounding error."""


def behaviour_key(loss: Loss, num_classes: int, modulo_scale: bool = False) -> str:
    r"""Condense what training can feel of a loss into a key.

    .. math:: \operatorname{round}\Big(\operatorname{asinh} \frac{\gamma(h, y) - K}{s}\Big)
        \text{ on a fixed grid of } (h, y), \qquad s = \operatorname{median} |\gamma - K|

    K, the median of gamma, is left out of the key because no training can feel a constant added to gamma; s, the
    scale, only where asked: it is the learning rate under SGD and next to nothing under Adam. Gamma is taken at
    the loss's current progress.

    Args:
        loss: a loss of scaled logits.
        num_classes: C, 2 or more; matters with label smoothing only.
        modulo_scale: whether losses that differ by a positive factor share a key.

    Returns:
        Hexadecimal digits. Losses that agree to about six digits share them; where one is undefined, so is the other.

    Raises:
        LossError: if the loss depends on unscaled logits, so that gamma is not defined.

    Example:
        >>> from glo_lightning.losses import TaylorLoss, MeanSquaredErrorLoss
        >>> taylor = TaylorLoss([0.0, 0.0, 5.0, -2.0, 0.0, 2.0, 0.0, 0.0])  # gamma is 5 above mean squared error's
        >>> behaviour_key(taylor, 10) == behaviour_key(MeanSquaredErrorLoss(), 10)
        True

    Source: derivations.md, section 7.2.
    """
    shape, scale = _standardize(_gamma(loss, num_classes))
    numbers = _round(shape.asinh())
    if not modulo_scale:
        numbers = torch.cat([numbers, _round(scale.log())])
    return hashlib.sha256(numbers.numpy().tobytes()).hexdigest()[:16]


def ignores_label(loss: Loss, num_classes: int) -> bool:
    """Tell whether gamma is the same for target and non-target, so that no gradient tells the classes apart.

    Args:
        loss: a loss of scaled logits.
        num_classes: C, 2 or more; matters with label smoothing only.

    Example:
        >>> from glo_lightning.losses import TreeLoss
        >>> ignores_label(TreeLoss("log(h) + log(1 + y)"), 10), ignores_label(TreeLoss("h * y"), 10)
        (True, False)

    Source: derivations.md, section 4.
    """
    gamma = _gamma(loss, num_classes)
    nontarget, target = gamma.chunk(2)
    return bool(((target - nontarget).abs() <= _NOISE * gamma.abs().max()).all())


def _gamma(loss: Loss, num_classes: int) -> Tensor:
    """Return gamma on the grid, NaN where the loss itself is undefined."""
    h, y = (tensor.to(device_of(loss)) for tensor in make_grid(label_values(loss, num_classes)))
    defined = loss.elementwise(h, y).isfinite()
    return torch.where(defined, loss.gamma(h, y), torch.nan).detach().cpu()


def _standardize(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Return gamma centred and divided by its scale, and that scale, shape (1,)."""
    finite = gamma[gamma.isfinite()]
    if len(finite) == 0:
        return gamma, gamma.new_zeros(1)
    # Medians, because a pole at the edge of the grid would drown everything else in a mean.
    centred = gamma - finite.median()
    size = centred[centred.isfinite()].abs()
    if size.max() <= _NOISE * finite.abs().max():
        return torch.where(centred.isfinite(), 0.0, centred), gamma.new_zeros(1)
    scale = size[size > _NOISE * size.max()].median()
    return centred / scale, scale.reshape(1)


def _round(numbers: Tensor) -> Tensor:
    # Adding zero turns -0.0 into 0.0; one NaN stands for all.
    return torch.where(numbers.isnan(), torch.nan, numbers.round(decimals=_DIGITS) + 0.0)
