"""What the winner of a search has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from glo_lightning.compare.comparison import Origin
from glo_lightning.compare.rivals import BASELINES, JOINT, OWN, SCALED, scaled_twin
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.losses import Loss, Outputs, baseline_loss, in_units_of
from glo_lightning.search.records.verdict import DISCOVERED, Choice
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.training.run import Run


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
    winner: Run, cost: int, task: ProbedTask, outputs: Outputs = "softmax", found: Sequence[Rival] = ()
) -> list[Rival]:
    """Return the losses of a comparison in the order of its table: what everybody trains with first, the winner last.

    After a joint search the first is there twice: as it is configured, and "joint", with the winner's hyperparameters,
    as its twin, which is as steep as the winner at its start, and the winner have them. Where that is as steep as the
    first, there is no twin. The model's own loss has a row if it is another and works.

    Args:
        winner: a training of it.
        cost: trainings that went into finding it.
        task: that all are compared on.
        outputs: what the model's outputs mean.
        found: further rivals.
    """
    assert winner.loss is not None
    usual, joint = in_units_of(baseline_loss(outputs), task.targets.sigma), winner.hyperparameters
    name = BASELINES[outputs]
    lined_up = [Rival(name, usual)]
    if task.probe.own_loss:
        lined_up.append(Rival(OWN, None))
    if joint:
        name += JOINT
        lined_up.append(Rival(name, usual, joint))
    twin = scaled_twin(winner.loss, usual, task.num_classes, task.probe.first_batch)
    if twin is not None and twin[0] != "1":  # that would be the same row again
        lined_up.append(Rival(f"{name}{SCALED}{twin[0]}", twin[1], joint))
    return [*lined_up, *found, Rival(DISCOVERED, winner.loss, joint, Origin(cost))]


def common_choices(lined_up: Sequence[Sequence[Rival]]) -> dict[str, Choice]:
    """Return the losses of one or more comparisons that can be taken home, by their names.

    Those are the same on all tasks, and not the model's own, which is there already and cannot be stored.
    """
    first, *others = (
        {each.name: Choice(each.name, each.loss, each.hyperparameters) for each in rivals if each.loss is not None}
        for rivals in lined_up
    )
    return {
        name: choice
        for name, choice in first.items()
        if all(name in other and other[name].to_dict() == choice.to_dict() for other in others)
    }
