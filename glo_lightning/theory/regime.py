"""The two ends of a training: the null epoch, where all outputs are equal, and zero error, where they are labels."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glo_lightning.losses import Loss, TaylorLoss, multi_indices
from glo_lightning.theory.gamma import (
    AnyLoss,
    check_classes_of,
    device_of,
    drive,
    has_gamma,
    label_values,
    logit_gradient,
    sample_losses,
)


@dataclass(frozen=True)
class NullEpoch:
    """What a loss does to a network whose outputs are all 1 / C.

    Attributes:
        gamma_target: gamma of the target; NaN where only logit gradients exist.
        gamma_nontarget: gamma of a non-target; NaN where only logit gradients exist.
        drive: d0, the learning rate relative to cross-entropy's, times C.
        curvature: positive if a deviation common to all samples shrinks.
        undefined: where the loss is not finite, or empty.
    """

    gamma_target: float
    gamma_nontarget: float
    drive: float
    curvature: float
    undefined: str = ""

    @property
    def ratio(self) -> float:
        """Curvature over drive: 1 for proper losses, NaN without a drive."""
        return self.curvature / self.drive if self.drive != 0.0 else math.nan


def null_epoch(loss: AnyLoss, num_classes: int) -> NullEpoch:
    r"""Return gamma, drive and curvature at h = 1 / C.

    .. math:: d_0 = \gamma_T - \gamma_N, \qquad
        \mathrm{curv} = -\Big(\gamma_N' + \frac{\gamma_T' - \gamma_N'}{C}\Big)

    Args:
        loss: a loss at its current progress (0 unless set), or a black box that treats all classes alike.
        num_classes: C, 2 or more.

    Returns:
        The null epoch; if the loss is undefined there, ``undefined`` says where.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number: one of sigmoid outputs is for 2.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> null_epoch(BaikalLoss(), num_classes=4)
        NullEpoch(gamma_target=20.0, gamma_nontarget=4.0, drive=16.0, curvature=48.0, undefined='')

    Source: derivations.md, sections 4 and 7.7.
    """
    check_classes_of(loss, num_classes)
    if isinstance(loss, TaylorLoss) and "f" not in loss.inputs:
        return _null_epoch_of_taylor(loss, num_classes)
    return _null_epoch_of_gamma(loss, num_classes) if has_gamma(loss) else _null_epoch_of_logits(loss, num_classes)


def _null_epoch_of_taylor(loss: TaylorLoss, num_classes: int) -> NullEpoch:
    # Plain numbers, term by term: the search asks this of every candidate, and a few terms are no work for tensors.
    labels = label_values(loss, num_classes)
    try:
        found = [_gamma_and_slope(loss, {"y": label, "h": 1.0 / num_classes, "t": loss.progress}) for label in labels]
    except OverflowError:  # which powers of floats raise where tensors return infinity
        found = [(math.inf, math.inf)] * 2
    values, slopes = zip(*found, strict=True)
    return _combine({"gamma": list(values), "the slope of gamma": list(slopes)}, labels, num_classes)


def _gamma_and_slope(loss: TaylorLoss, point: dict[str, float]) -> tuple[float, float]:
    theta = loss.theta.tolist()
    distances = [point[name] - center for name, center in zip(loss.inputs, theta, strict=False)]
    h_index = loss.inputs.index("h")
    h, distances[h_index] = distances[h_index], 1.0
    gamma = slope = 0.0
    for alpha, coefficient in zip(multi_indices(loss.order, loss.inputs), theta[len(distances) :], strict=True):
        factorials = 1 if loss.folded else math.prod(map(math.factorial, alpha))
        power = alpha[h_index]
        factor = coefficient / factorials * power * math.prod(map(pow, distances, alpha))
        gamma += factor * h ** (power - 1)
        if power > 1:
            slope += factor * (power - 1) * h ** (power - 2)
    return gamma, slope


def _null_epoch_of_gamma(loss: Loss, num_classes: int) -> NullEpoch:
    labels = torch.tensor(label_values(loss, num_classes), dtype=torch.float64, device=device_of(loss))
    h = torch.full_like(labels, 1.0 / num_classes)
    found = {
        "l": loss.elementwise(h, labels),
        "gamma": loss.gamma(h, labels),
        "the slope of gamma": torch.func.grad(lambda x: loss.gamma(x, labels).sum())(h),
    }
    return _combine({name: v.tolist() for name, v in found.items()}, tuple(labels.tolist()), num_classes)


def _combine(found: dict[str, list[float]], labels: tuple[float, ...], num_classes: int) -> NullEpoch:
    """Put together what was found for a non-target and for the target."""
    for name, numbers in found.items():
        for label, number in zip(labels, numbers, strict=True):
            if not math.isfinite(number):
                place = f"{name} is {number} at h = {1.0 / num_classes:g}, y = {label:g}"
                return NullEpoch(math.nan, math.nan, math.nan, math.nan, place)
    nontarget, target = found["gamma"]
    nontarget_slope, target_slope = found["the slope of gamma"]
    curvature = -(nontarget_slope + (target_slope - nontarget_slope) / num_classes)
    return NullEpoch(target, nontarget, target - nontarget, curvature)


def _null_epoch_of_logits(loss: AnyLoss, num_classes: int) -> NullEpoch:
    # By symmetry three targets stand for all: the two classes of the direction, and any other.
    targets = torch.arange(min(num_classes, 3), device=device_of(loss))
    weights = torch.tensor([1.0, 1.0, num_classes - 2.0], dtype=torch.float64, device=targets.device)[: len(targets)]
    direction = torch.zeros(len(targets), num_classes, dtype=torch.float64, device=targets.device)
    direction[:, 0], direction[:, 1] = math.sqrt(0.5), -math.sqrt(0.5)

    def along(step: Tensor) -> Tensor:
        return weights @ sample_losses(loss, step * direction, targets)

    # The mean over them: of two classes, a loss may treat each differently.
    slope = logit_gradient(loss, torch.zeros_like(direction), targets)
    drive_ = -float((slope.diagonal() - slope.mean(-1)).mean()) * num_classes**2 / (num_classes - 1)
    curvature = float(torch.func.grad(torch.func.grad(along))(direction.new_zeros(()))) * num_classes
    if not (math.isfinite(drive_) and math.isfinite(curvature)):
        return NullEpoch(math.nan, math.nan, math.nan, math.nan, "its slope is not finite at zero logits")
    return NullEpoch(math.nan, math.nan, drive_, curvature)


def zero_error_drive(loss: AnyLoss, num_classes: int) -> float:
    r"""Return the drive as the confidence goes to 1.

    .. math:: Z = \lim_{h_T \to 1} D(h_T)

    Positive: memorised samples are pulled on, as cross-entropy does (Z = 1). Negative: they are pushed back.

    Args:
        loss: a loss, or a black box that treats all classes alike.
        num_classes: C, 2 or more.

    Returns:
        Z, possibly infinite; for black boxes to about six digits, and to eight where gamma itself is NaN at the end.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number.

    Example:
        >>> from glo_lightning.losses import BaikalLoss, CrossEntropyLoss
        >>> zero_error_drive(CrossEntropyLoss(), 10), zero_error_drive(BaikalLoss(), 10)
        (1.0, -inf)

    Source: derivations.md, section 4.
    """
    check_classes_of(loss, num_classes)
    if not has_gamma(loss):
        return float(drive(loss, 1.0 - 1e-6, num_classes))
    labels = torch.tensor(label_values(loss, num_classes), dtype=torch.float64, device=device_of(loss))
    gamma, nearby = (loss.gamma(labels.new_tensor(h), labels) for h in ([0.0, 1.0], [1e-100, 1.0 - 1e-8]))
    # NaN is 0 times infinity, as y * log(h) has it at 0 and the root of a square at 1: there the limit counts.
    nontarget, target = torch.where(gamma.isnan(), nearby, gamma).tolist()
    return float(target - nontarget)


@dataclass(frozen=True)
class Equilibrium:
    """A confidence at which a symmetric sample rests.

    Attributes:
        confidence: h_T, in (0, 1).
        stable: whether a small deviation is pulled back.
    """

    confidence: float
    stable: bool


def equilibria(loss: AnyLoss, num_classes: int, resolution: int = 1000) -> tuple[Equilibrium, ...]:
    """Find where the drive changes sign.

    Args:
        loss: a loss, or a black box that treats all classes alike.
        num_classes: C, 2 or more.
        resolution: points at which the sign is looked at, evenly spaced in log-odds of the confidence.

    Returns:
        Equilibria by rising confidence, located to about 12 digits.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> [(round(e.confidence, 6), e.stable) for e in equilibria(BaikalLoss(), num_classes=4)]
        [(0.5, True)]

    Source: derivations.md, section 4; for Baikal, Theorem 1 of arXiv:2010.00788.
    """
    # An even number of points, so that none falls on one half, where symmetric losses have their roots.
    log_odds = torch.linspace(-14.0, 14.0, 2 * (resolution // 2), dtype=torch.float64)
    signs = drive(loss, log_odds.sigmoid(), num_classes).sign().cpu()
    before = (signs[:-1] * signs[1:] < 0.0).nonzero().flatten()
    low, high, rising = log_odds[before], log_odds[before + 1], signs[before] < 0.0
    for _ in range(50 if len(before) else 0):
        middle = (low + high) / 2
        below = (drive(loss, middle.sigmoid(), num_classes).cpu() < 0.0) == rising
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    roots = ((low + high) / 2).sigmoid().tolist()
    return tuple(Equilibrium(root, not up) for root, up in zip(roots, rising.tolist(), strict=True))


def equilibrium_confidence(loss: AnyLoss, num_classes: int) -> float:
    """Return where a symmetric sample that starts at 1 / C comes to rest.

    Args:
        loss: a loss, or a black box that treats all classes alike.
        num_classes: C, 2 or more.

    Returns:
        The first equilibrium in the direction of the drive; without one, 1 or 0; without a drive, 1 / C.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> equilibrium_confidence(CrossEntropyLoss(label_smoothing=0.1), num_classes=10)
        0.90999...

    Source: derivations.md, section 4.
    """
    start = null_epoch(loss, num_classes)
    if start.undefined or start.drive == 0.0:
        return math.nan if start.undefined else 1.0 / num_classes
    roots = [equilibrium.confidence for equilibrium in equilibria(loss, num_classes)]
    if start.drive > 0.0:
        return min((root for root in roots if root > 1.0 / num_classes), default=1.0)
    return max((root for root in roots if root < 1.0 / num_classes), default=0.0)


def implied_smoothing(loss: AnyLoss, num_classes: int) -> float:
    r"""Return the label smoothing with which cross-entropy would hold confidence back as much.

    .. math:: \alpha^* = \frac{C}{C - 1} (1 - h^*)

    Args:
        loss: a loss, or a black box that treats all classes alike.
        num_classes: C, 2 or more.

    Returns:
        0 where confidence rises to 1; above 1 where it falls below chance.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> round(implied_smoothing(CrossEntropyLoss(label_smoothing=0.1), num_classes=10), 9)
        0.1

    Source: derivations.md, section 6.
    """
    return num_classes / (num_classes - 1) * (1.0 - equilibrium_confidence(loss, num_classes))
