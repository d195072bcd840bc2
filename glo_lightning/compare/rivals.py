"""The losses that a new loss has to beat."""

from collections.abc import Collection, Mapping

from glo_lightning.compare.settings import Baseline
from glo_lightning.errors import SettingsError
from glo_lightning.losses import (
    CrossEntropyLoss,
    FocalLoss,
    HeadsLoss,
    Loss,
    Outputs,
    PolyLoss,
    ScaledLoss,
    for_outputs,
)
from glo_lightning.theory import startup_drive

BASELINE = "cross-entropy"
"""What tables call cross-entropy."""

OWN = "your loss"
"""What tables call the model's own loss, unless it is cross-entropy."""

TUNED = "cross-entropy, tuned"
"""What tables call cross-entropy whose learning rate, label smoothing and weights of classes were searched."""

KNOWN = "best known: "
"""How the name of the best loss of the literature begins."""

JOINT = ", joint"
"""How the names of rivals end that have the hyperparameters found along with a loss."""

SMOOTHING = 0.1
"""Label smoothing as it is commonly used."""


def with_baselines(
    losses: Mapping[str, Loss], wanted: Collection[Baseline], num_classes: int, outputs: Outputs = "softmax"
) -> dict[str, Loss]:
    """Add baselines to losses.

    Args:
        losses: by the names to show.
        wanted: the baselines; a twin is cross-entropy scaled to the start-up gradient of one of the losses.
        num_classes: C, 2 or more.
        outputs: what the model's logits mean.

    Returns:
        Baselines first, cross-entropy before all others if it is among them, and then the losses.

    Raises:
        SettingsError: if fewer than two losses come of it, or one is called like a baseline that it is not.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> list(with_baselines({"baikal": BaikalLoss()}, ["cross_entropy", "twin", "focal"], num_classes=10))
        ['cross_entropy', 'cross_entropy × 10', 'focal', 'baikal']
    """
    together: dict[str, Loss] = {}
    cross_entropy = for_outputs(CrossEntropyLoss(), outputs)
    if "cross_entropy" in wanted or "cross_entropy" in losses:
        together["cross_entropy"] = cross_entropy
    if "twin" in wanted:
        for loss in losses.values():
            twin = scaled_twin(loss, cross_entropy, num_classes)
            if twin is not None and twin[0] != "1":
                together[f"cross_entropy × {twin[0]}"] = twin[1]
    others: dict[Baseline, Loss] = {
        "label_smoothing": CrossEntropyLoss(label_smoothing=SMOOTHING),
        "focal": FocalLoss(),
        "poly": PolyLoss(),
    }
    together |= {name: for_outputs(loss, outputs) for name, loss in others.items() if name in wanted}
    for name in together.keys() & losses.keys():
        if losses[name].to_dict() != together[name].to_dict():
            raise SettingsError(
                f"a loss with a name of its own beside the baseline {name!r}", "another one of that name", "Rename it."
            )
    together |= losses
    if len(together) < 2:
        raise SettingsError(
            "two or more losses", f"only {', '.join(together) or 'none'}", "Use --losses, or more --baselines."
        )
    return together


def scaled_twin(loss: Loss, cross_entropy: Loss, num_classes: int) -> tuple[str, Loss] | None:
    """Scale cross-entropy to a loss's start-up gradient, which separates a better shape from a better learning rate.

    At the null epoch every loss is cross-entropy times :func:`startup_drive` / C. In a network with several heads,
    cross-entropy gets a scale for each.

    Args:
        loss: whose twin it will be.
        cross_entropy: of the model's kind of outputs.
        num_classes: C, 2 or more.

    Returns:
        The scale as text, and the twin; None if the loss does not start downhill.

    Source: derivations.md, section 7.3.
    """
    heads = loss.losses if isinstance(loss, HeadsLoss) else [loss]
    scales = [startup_drive(head, num_classes) / num_classes for head in heads]
    if not all(scale > 0.0 for scale in scales):
        return None
    twins = [ScaledLoss(cross_entropy, scale) for scale in scales]
    return ", ".join(f"{scale:.3g}" for scale in scales), twins[0] if len(twins) == 1 else HeadsLoss(twins)
