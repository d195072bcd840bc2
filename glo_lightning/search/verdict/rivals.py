"""What the winner of a search has to beat."""

from glo_lightning.compare.rivals import BASELINE, JOINT, scaled_twin
from glo_lightning.losses import CrossEntropyLoss, Loss, Outputs, for_outputs
from glo_lightning.search.records.verdict import DISCOVERED


def rivals(winner: Loss, num_classes: int, outputs: Outputs = "softmax", joint: bool = False) -> dict[str, Loss]:
    """Return cross-entropy of such outputs, its twin scaled to the winner's start-up gradient, and the winner.

    After a joint search there is cross-entropy twice: as it is configured, and "joint", with the winner's
    hyperparameters, as its twin and the winner have them.
    """
    cross_entropy = for_outputs(CrossEntropyLoss(), outputs)
    losses: dict[str, Loss] = {BASELINE: cross_entropy}
    rival = BASELINE
    if joint:
        rival = BASELINE + JOINT
        losses[rival] = cross_entropy
    twin = scaled_twin(winner, cross_entropy, num_classes)
    if twin is not None:
        losses[f"{rival} × {twin[0]}"] = twin[1]
    losses[DISCOVERED] = winner
    return losses
