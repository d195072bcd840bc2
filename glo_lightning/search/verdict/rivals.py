"""What the winner of a search has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from glo_lightning.compare.comparison import Origin
from glo_lightning.compare.rivals import BASELINE, JOINT, OWN, scaled_twin
from glo_lightning.losses import CrossEntropyLoss, Loss, Outputs, for_outputs
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.training.run import Run
from glo_lightning.training.task import Hyperparameters


@dataclass(frozen=True)
class Rival:
    """A loss of the verdict.

    Args:
        name: what tables call it.
        loss: what it trains with; None for the model's own loss.
        hyperparameters: of the model, where they differ from those it is configured with.
        origin: where it comes from.
    """

    name: str
    loss: Loss | None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)


def line_up(
    winner: Run,
    cost: int,
    num_classes: int,
    outputs: Outputs = "softmax",
    has_own: bool = False,
    found: Sequence[Rival] = (),
) -> list[Rival]:
    """Return the losses of a comparison in the order of its table: cross-entropy first, the winner last.

    After a joint search there is cross-entropy twice: as it is configured, and "joint", with the winner's
    hyperparameters, as its twin, which is as steep as the winner at its start, and the winner have them.

    Args:
        winner: a training of it.
        cost: trainings that went into finding it.
        num_classes: C, 2 or more.
        outputs: what the model's logits mean.
        has_own: whether the model's own loss is another than cross-entropy, which gives it a row.
        found: further rivals.
    """
    assert winner.loss is not None
    cross_entropy, joint = for_outputs(CrossEntropyLoss(), outputs), winner.hyperparameters
    lined_up = [Rival(BASELINE, cross_entropy)]
    if has_own:
        lined_up.append(Rival(OWN, None))
    if joint:
        lined_up.append(Rival(BASELINE + JOINT, cross_entropy, joint))
    twin = scaled_twin(winner.loss, cross_entropy, num_classes)
    if twin is not None:
        lined_up.append(Rival(f"{BASELINE}{JOINT if joint else ''} × {twin[0]}", twin[1], joint))
    return [*lined_up, *found, Rival(DISCOVERED, winner.loss, joint, Origin(cost))]
