"""The losses that a new loss has to beat."""

from collections.abc import Collection, Mapping

from glo_lightning.errors import SettingsError
from glo_lightning.evaluation.comparison_settings import Baseline
from glo_lightning.losses import CrossEntropyLoss, FocalLoss, Loss, PolyLoss, ScaledLoss
from glo_lightning.theory import trainability

SMOOTHING = 0.1
"""Label smoothing as it is commonly used."""

SAME_SCALE = 0.005
"""Relative difference of start-up gradients under which cross-entropy is its own twin."""


def with_baselines(losses: Mapping[str, Loss], wanted: Collection[Baseline], num_classes: int) -> dict[str, Loss]:
    """Add baselines to losses.

    Args:
        losses: by the names to show.
        wanted: the baselines; a twin is cross-entropy scaled to the start-up gradient of one of the losses.
        num_classes: C, 2 or more.

    Returns:
        Baselines first, cross-entropy before all others if it is among them, and then the losses.

    Raises:
        SettingsError: if fewer than two losses come of it.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> list(with_baselines({"baikal": BaikalLoss()}, ["cross_entropy", "twin", "focal"], num_classes=10))
        ['cross_entropy', 'cross_entropy × 10', 'focal', 'baikal']
    """
    together: dict[str, Loss] = {}
    if "cross_entropy" in wanted or "cross_entropy" in losses:
        together["cross_entropy"] = CrossEntropyLoss()
    if "twin" in wanted:
        for loss in losses.values():
            together |= _twin(loss, num_classes)
    others: dict[Baseline, Loss] = {
        "label_smoothing": CrossEntropyLoss(label_smoothing=SMOOTHING),
        "focal": FocalLoss(),
        "poly": PolyLoss(),
    }
    together |= {name: loss for name, loss in others.items() if name in wanted}
    together |= losses
    if len(together) < 2:
        raise SettingsError(
            "two or more losses", f"only {', '.join(together) or 'none'}", "Use --losses, or more --baselines."
        )
    return together


def _twin(loss: Loss, num_classes: int) -> dict[str, Loss]:
    """At the null epoch every loss is cross-entropy times drive / C; derivations.md, section 7.3."""
    scale = trainability(loss, num_classes).drive / num_classes
    if not scale > 0.0 or abs(scale - 1.0) < SAME_SCALE:
        return {}
    return {f"cross_entropy × {scale:.3g}": ScaledLoss(CrossEntropyLoss(), scale)}
