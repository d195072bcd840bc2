"""The losses that a new loss has to beat."""

from collections.abc import Collection, Mapping, Sequence

from glo_lightning.compare.settings import Baseline
from glo_lightning.errors import SettingsError
from glo_lightning.losses import (
    AbsoluteErrorLoss,
    CrossEntropyLoss,
    FocalLoss,
    HeadsLoss,
    HuberLoss,
    LogCoshLoss,
    Loss,
    Outputs,
    PolyLoss,
    QuantileLoss,
    ResidualLoss,
    ScaledLoss,
    baseline_loss,
    for_outputs,
    in_units_of,
)
from glo_lightning.theory import startup_drive
from glo_lightning.theory.descent import FirstBatch, startup_descent

BASELINES: dict[Outputs, str] = {"softmax": "cross-entropy", "sigmoid": "cross-entropy", "real": "squared error"}
"""What tables call what everybody trains with, by what a model's outputs mean."""

BASELINE = BASELINES["softmax"]
"""What tables call cross-entropy."""

OWN = "your loss"
"""What tables call the model's own loss, unless it is cross-entropy."""

RIVALS: dict[Outputs, str] = {"softmax": "cross-entropy", "sigmoid": "cross-entropy", "real": "Huber"}
"""What is tuned to be the rival of what a search finds, by what a model's outputs mean."""

TUNED = ", tuned"
"""How the name of the rival ends whose learning rate and few numbers of its own were searched."""

KNOWN = "best known: "
"""How the name of the best loss of the literature begins."""

JOINT = ", joint"
"""How the names of rivals end that have the hyperparameters found along with a loss."""

SCALED = " × "
"""What stands before the factor in the name of a loss that is a multiple of another one."""

SMOOTHING = 0.1
"""Label smoothing as it is commonly used."""


def with_baselines(
    losses: Mapping[str, Loss],
    wanted: Collection[Baseline],
    num_classes: int,
    outputs: Outputs = "softmax",
    start: FirstBatch | None = None,
    sigma: float | Sequence[float] = 1.0,
) -> dict[str, Loss]:
    """Add baselines to losses.

    Args:
        losses: by the names to show.
        wanted: the baselines; a twin is cross-entropy, or of real outputs the squared error, scaled to the start-up
            gradient of one of the losses.
        num_classes: C, 2 or more.
        outputs: what the model's outputs mean.
        start: of real outputs, what an untrained model predicts.
        sigma: of real outputs, the standard deviation of the training targets, for baselines to count in.

    Returns:
        Baselines first, what everybody trains with before all others if it is among them, and then the losses.

    Raises:
        SettingsError: if fewer than two losses come of it, or one is called like a baseline that it is not.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> list(with_baselines({"baikal": BaikalLoss()}, ["cross_entropy", "twin", "focal"], num_classes=10))
        ['cross_entropy', 'cross_entropy × 10', 'focal', 'baikal']
    """
    usual, name = in_units_of(baseline_loss(outputs), sigma), "squared_error" if outputs == "real" else "cross_entropy"
    together: dict[str, Loss] = {}
    if name in wanted or name in losses:
        together[name] = usual
    if "twin" in wanted:
        for loss in losses.values():
            twin = scaled_twin(loss, usual, num_classes, start)
            if twin is not None and twin[0] != "1":
                together[f"{name}{SCALED}{twin[0]}"] = twin[1]
    others: dict[Baseline, Loss] = {
        "cross_entropy": CrossEntropyLoss(),
        "label_smoothing": CrossEntropyLoss(label_smoothing=SMOOTHING),
        "focal": FocalLoss(),
        "poly": PolyLoss(),
        "squared_error": ResidualLoss(sigma=sigma),
        "absolute_error": AbsoluteErrorLoss(sigma),
        "huber": HuberLoss(sigma=sigma),
        "log_cosh": LogCoshLoss(sigma),
        "quantile": QuantileLoss(sigma=sigma),
    }
    together |= {
        each: for_outputs(loss, outputs) for each, loss in others.items() if each in wanted and each not in together
    }
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


def scaled_twin(loss: Loss, usual: Loss, num_classes: int, start: FirstBatch | None = None) -> tuple[str, Loss] | None:
    """Scale a loss to another's start-up gradient, which separates a better shape from a better learning rate.

    At the null epoch every loss of classes is cross-entropy times :func:`startup_drive` / C. In a network with several
    heads, cross-entropy gets a scale for each. A loss of numbers starts as the squared error does times
    :func:`startup_descent`.

    Args:
        loss: whose twin it will be.
        usual: what everybody trains with, for the model's kind of outputs.
        num_classes: C, 2 or more.
        start: of real outputs, what an untrained model predicts.

    Returns:
        The scale as text, and the twin; None if the loss does not start downhill.

    Source: derivations.md, sections 7.3 and 11.
    """
    heads = loss.losses if isinstance(loss, HeadsLoss) else [loss]
    if not all(head.is_separable for head in heads):
        return None
    if start is not None:
        scales = [startup_descent(loss, start)]
    else:
        scales = [startup_drive(head, num_classes) / num_classes for head in heads]
    if not all(scale > 0.0 for scale in scales):
        return None
    twins = [ScaledLoss(usual, scale) for scale in scales]
    return ", ".join(f"{scale:.3g}" for scale in scales), twins[0] if len(twins) == 1 else HeadsLoss(twins)
