"""What the winner of a search has to beat."""

from glo_lightning.compare.rivals import BASELINES, JOINT, scaled_twin
from glo_lightning.losses import Loss, Outputs, baseline_loss, in_units_of
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.search.tasks import ProbedTask


def rivals(winner: Loss, task: ProbedTask, outputs: Outputs = "softmax", joint: bool = False) -> dict[str, Loss]:
    """Return what everybody trains with, its twin scaled to the winner's start-up gradient, and the winner.

    After a joint search the first is there twice: as it is configured, and "joint", with the winner's
    hyperparameters, as its twin and the winner have them.
    """
    usual, rival = in_units_of(baseline_loss(outputs), task.targets.sigma), BASELINES[outputs]
    losses: dict[str, Loss] = {rival: usual}
    if joint:
        rival += JOINT
        losses[rival] = usual
    twin = scaled_twin(winner, usual, task.num_classes, task.probe.first_batch)
    if twin is not None:
        losses[f"{rival} × {twin[0]}"] = twin[1]
    losses[DISCOVERED] = winner
    return losses
