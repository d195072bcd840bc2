"""Who stands in the leaderboard: what everybody trains with, the few numbers people tune of it, and known losses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from glo_lightning.compare.rivals import BASELINES, OWN, RIVALS
from glo_lightning.losses import (
    ClassAwareLoss,
    CrossEntropyLoss,
    HuberLoss,
    Loss,
    Outputs,
    ResidualLoss,
    SigmoidLoss,
    baseline_loss,
    in_units_of,
)
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.search.verdict.tuned import known_rivals

Side = Literal["untouched", "tuned", "shape"]
"""What a member is an instance of: a training as it is configured, the rival that a search tunes, or another shape."""

SMOOTHINGS = (0.3, 0.8)
"""Label smoothing, beside none and the literature's 0.1."""

DELTAS = (0.3, 3.0)
"""Huber's delta in standard deviations, beside the literature's 1."""

POSITIVES = (3.0, 10.0)
"""Weights of the yes, of sigmoid outputs."""


@dataclass(frozen=True)
class Member:
    """A loss of the leaderboard.

    Args:
        name: what tables call it.
        loss: what it trains with; None for the model's own.
        side: what it is an instance of.
        knows_classes: whether it makes up for rare classes.
    """

    name: str
    loss: Loss | None
    side: Side
    knows_classes: bool = False


def members_of(task: ProbedTask, outputs: Outputs, class_counts: Sequence[int] = ()) -> list[Member]:
    """Return the members for a task, those that are trained as they are configured first.

    Args:
        task: what its first batch revealed.
        outputs: what the model's outputs mean.
        class_counts: training samples of each class where they are unbalanced; else none.
    """
    usual, sigma = in_units_of(baseline_loss(outputs), task.targets.sigma), task.targets.sigma
    members = [Member(BASELINES[outputs], usual, "untouched")]
    if task.probe.own_loss:
        members.append(Member(OWN, None, "untouched"))
    members.append(Member(BASELINES[outputs], usual, "tuned"))
    tuned = RivalSpace(outputs, sigma=sigma)
    members += [Member(name, tuned.build(parameters), "tuned") for name, parameters in _tuned(outputs).items()]
    known = known_rivals([task.num_classes], outputs, class_counts, sigma)
    members += [
        Member(name, loss, "tuned" if _is_tuned(loss) else "shape", isinstance(loss, ClassAwareLoss))
        for name, loss in known.items()
    ]
    return members


def _tuned(outputs: Outputs) -> dict[str, dict[str, float]]:
    """Return parameters of the tuned rival's space by what to call them."""
    name = RIVALS[outputs]
    if outputs == "real":
        return {f"{name}, delta {delta:g}": {"log_delta": math.log(delta)} for delta in DELTAS}
    even = {"log_pos_weight": 0.0} if outputs == "sigmoid" else {}
    points = {f"{name}, smoothing {each:g}": {"smoothing": each, **even} for each in SMOOTHINGS}
    if outputs == "sigmoid":
        points |= {
            f"{name}, positives × {each:g}": {"smoothing": 0.0, "log_pos_weight": math.log(each)} for each in POSITIVES
        }
    return points


def _is_tuned(loss: Loss) -> bool:
    """Whether a loss of the literature is one that tuning the rival would find."""
    if isinstance(loss, ClassAwareLoss):
        return float(loss.margin) == 0.0 and _is_tuned(loss.loss)
    if isinstance(loss, SigmoidLoss):
        return _is_tuned(loss.loss)
    if isinstance(loss, ResidualLoss):
        return float(loss.alpha) == 2.0
    return isinstance(loss, CrossEntropyLoss | HuberLoss)
