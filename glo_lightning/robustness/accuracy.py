"""Accuracy under attack, and whether the attacks can be believed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from glo_lightning.attacks import AttackLoss, PixelSpace, evaluating, fgsm, is_right, margin, pgd

FGSM = "FGSM"
PGD = "PGD"
RANDOM_START = "PGD, random start"
CROSS_ENTROPY = "PGD, cross-entropy"
BY_MARGIN = "PGD, margin"
TRANSFERRED_FGSM = "FGSM, transferred"
TRANSFERRED_PGD = "PGD, transferred"

CHECKS = (
    (RANDOM_START, PGD),
    (CROSS_ENTROPY, PGD),
    (BY_MARGIN, PGD),
    (TRANSFERRED_FGSM, FGSM),
    (TRANSFERRED_PGD, PGD),
    (FGSM, PGD),
)
"""Pairs of attacks; the first is stronger than the second only if the second is misled by the model's gradient."""

TOLERANCE = 0.02
"""Difference in accuracy up to which an attack does not count as stronger."""

SIGNIFICANCE = 0.01
"""p-value that the difference must have, too."""


@dataclass(frozen=True)
class Masking:
    """A sign that a model hides its gradient: its accuracy under attack is not what a better attacker would leave.

    Args:
        epsilon: largest change of a pixel.
        attack: the stronger attack.
        accuracy: what it left.
        misled: the attack that should have been at least as strong.
        misled_accuracy: what that left.
        p_value: of the exact one-sided McNemar test on the same images; of the sign test over images where each has
            many labels, which are not independent.
    """

    epsilon: float
    attack: str
    accuracy: float
    misled: str
    misled_accuracy: float
    p_value: float

    def __str__(self) -> str:
        return (
            f"at epsilon {self.epsilon:.4g}, {self.attack} leaves {self.accuracy:.4f} and {self.misled} "
            f"{self.misled_accuracy:.4f} (p = {self.p_value:.1g})"
        )


@dataclass(frozen=True)
class RobustnessCurve:
    """One model under attack.

    Args:
        clean: accuracy on the images as they are.
        accuracy: by attack, the accuracy at each epsilon. Transferred attacks were made for another model; at each
            epsilon the most harmful of the others counts. Where attacks raise another loss, PGD by cross-entropy is
            there for comparison.
        masking: signs that the gradient is hidden; none if the accuracies can be believed.
    """

    clean: float
    accuracy: Mapping[str, tuple[float, ...]]
    masking: tuple[Masking, ...]


@dataclass(frozen=True)
class Robustness:
    """Models side by side under the same attacks on the same images.

    Args:
        num_images: images attacked.
        epsilons: largest changes of a pixel, in [0, 1].
        curves: by model.
    """

    num_images: int
    epsilons: tuple[float, ...]
    curves: Mapping[str, RobustnessCurve]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def measure_robustness(
    models: Mapping[str, nn.Module],
    batches: Sequence[tuple[Tensor, Tensor]],
    epsilons: Sequence[float],
    space: PixelSpace,
    losses: Mapping[str, AttackLoss] | None = None,
    steps: int = 10,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Robustness:
    """Attack every model by FGSM and PGD, and with what was made for the others.

    Args:
        models: by name; each maps inputs to logits (N, C) and is left as it was.
        batches: normalised inputs (N, channels, ...) and class indices, (N,) or one per position, on the models'
            device.
        epsilons: largest changes of a pixel, each in [0, 1].
        space: how inputs follow from pixels.
        losses: by model, what attacks raise; cross-entropy by default.
        steps: of PGD.
        seed: of PGD's random starts, the same for every model.
        say: told of every finished epsilon.

    Returns:
        A curve per model.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> batches = [(torch.rand(32, 1, 2, 2), torch.arange(32) % 2)]
        >>> robustness = measure_robustness({"linear": model}, batches, [0.0, 0.5], PixelSpace())
        >>> curve = robustness.curves["linear"]
        >>> curve.accuracy["FGSM"][0] == curve.clean, curve.accuracy["FGSM"][1] <= curve.clean
        (True, True)
        >>> curve.masking
        ()
    """
    survivors = []
    for position, epsilon in enumerate(epsilons, 1):
        survivors.append(_attack(models, batches, epsilon, space, losses or {}, steps, seed))
        say(f"epsilon {epsilon:.4g}: {position} of {len(epsilons)} done")
    curves = {}
    for name, model in models.items():
        clean = torch.cat([_right(model, inputs, target) for inputs, target in batches])
        each = [survived[name] for survived in survivors]
        accuracy = {attack: tuple(_mean(survived[attack]) for survived in each) for attack in each[0]}
        masking = [sign for epsilon, survived in zip(epsilons, each, strict=True) for sign in _check(survived, epsilon)]
        curves[name] = RobustnessCurve(_mean(clean), accuracy, tuple(masking))
    return Robustness(sum(len(target) for _, target in batches), tuple(epsilons), curves)


def _attack(
    models: Mapping[str, nn.Module],
    batches: Sequence[tuple[Tensor, Tensor]],
    epsilon: float,
    space: PixelSpace,
    losses: Mapping[str, AttackLoss],
    steps: int,
    seed: int,
) -> dict[str, dict[str, Tensor]]:
    """Return, by model and attack, which labels (M,) or (M, ...) of M images are still right."""
    starts = {name: torch.Generator().manual_seed(seed) for name in models}
    survivors: dict[str, dict[tuple[str, str], list[Tensor]]] = {name: {} for name in models}
    for inputs, target in batches:
        for source, model in models.items():
            loss = losses.get(source, cross_entropy)
            made = {
                FGSM: fgsm(model, inputs, target, epsilon, space, loss),
                PGD: pgd(model, inputs, target, epsilon, space, loss, steps),
                RANDOM_START: pgd(model, inputs, target, epsilon, space, loss, steps, start=starts[source]),
                BY_MARGIN: pgd(model, inputs, target, epsilon, space, margin, steps),
            }
            if loss is not cross_entropy:
                made[CROSS_ENTROPY] = pgd(model, inputs, target, epsilon, space, steps=steps)
            for victim in models:
                for attack, adversarial in made.items():
                    right = _right(models[victim], adversarial, target)
                    survivors[victim].setdefault((attack, source), []).append(right)
    whole = {
        victim: {key: torch.cat(parts) for key, parts in survived.items()} for victim, survived in survivors.items()
    }
    return {victim: _by_attack(victim, survived) for victim, survived in whole.items()}


def _by_attack(victim: str, survived: Mapping[tuple[str, str], Tensor]) -> dict[str, Tensor]:
    attacks = {attack: right for (attack, source), right in survived.items() if source == victim}
    for attack, transferred in ((FGSM, TRANSFERRED_FGSM), (PGD, TRANSFERRED_PGD)):
        foreign = [right for (made_by, source), right in survived.items() if made_by == attack and source != victim]
        if foreign:
            attacks[transferred] = min(foreign, key=_mean)
    return attacks


def _check(survived: Mapping[str, Tensor], epsilon: float) -> list[Masking]:
    signs = []
    for attack, misled in CHECKS:
        if attack not in survived:
            continue
        fell = survived[misled].int() - survived[attack].int()
        if int(fell.sum()) / fell.numel() <= TOLERANCE:
            continue
        by_image = fell.view(len(fell), -1).sum(1)
        only, other = int((by_image > 0).sum()), int((by_image < 0).sum())
        p_value = float(stats.binomtest(only, only + other, alternative="greater").pvalue)
        if p_value < SIGNIFICANCE:
            accuracies = _mean(survived[attack]), _mean(survived[misled])
            signs.append(Masking(epsilon, attack, accuracies[0], misled, accuracies[1], p_value))
    return signs


def _right(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    with evaluating(model), torch.no_grad():
        return is_right(model(inputs), target).cpu()


def _mean(right: Tensor) -> float:
    return int(right.sum()) / right.numel()
