"""Which losses stand in the leaderboard, and which of them tuning the rival would find."""

import pytest

from glo_lightning.baselines.members import Member, members_of
from glo_lightning.losses import ClassAwareLoss, Outputs
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.training.checks.one_batch import Probe
from glo_lightning.training.checks.targets import TargetScale
from glo_lightning.training.task import python_task
from tests.search.toy import ToyData, ToyModel


def _members(num_classes: int, outputs: Outputs, own_loss: str = "", counts: tuple[int, ...] = ()) -> list[Member]:
    probe = Probe(num_classes, 1, 10, "toy", {}, own_loss=own_loss)
    task = python_task(ToyModel, ToyData())
    return members_of(ProbedTask("", task, probe, 1, 4, None, targets=TargetScale(5.0, 2.0)), outputs, counts)


def _names(members: list[Member], side: str) -> list[str]:
    return [member.name for member in members if member.side == side]


def test_of_classes() -> None:
    members = _members(10, "softmax")
    assert _names(members, "untouched") == ["cross-entropy"]
    smoothings = ["cross-entropy, smoothing 0.3", "cross-entropy, smoothing 0.8", "label smoothing"]
    assert _names(members, "tuned") == ["cross-entropy", *smoothings]
    assert {"focal", "dice", "symmetric cross entropy"} <= set(_names(members, "shape"))
    assert not any(member.knows_classes for member in members)


def test_of_rare_classes_logit_adjustment_is_tuned_cross_entropy_and_margins_are_not() -> None:
    members = _members(2, "softmax", counts=(90, 10))
    aware = {member.name: member.side for member in members if member.knows_classes}
    assert aware == {
        "logit adjusted": "tuned",
        "class balanced": "tuned",
        "label distribution aware margin": "shape",
    }
    assert all(isinstance(member.loss, ClassAwareLoss) == member.knows_classes for member in members)


def test_of_yes_and_no() -> None:
    members = _members(2, "sigmoid")
    assert [name for name in _names(members, "tuned") if "positives" in name] == [
        "cross-entropy, positives × 3",
        "cross-entropy, positives × 10",
    ]
    assert all(member.loss is not None and member.loss.outputs == "sigmoid" for member in members)


def test_of_numbers_huber_is_what_is_tuned_in_units_of_the_targets() -> None:
    members = _members(1, "real")
    assert _names(members, "tuned") == ["squared error", "Huber, delta 0.3", "Huber, delta 3", "huber"]
    for member in members:
        assert member.loss is not None
        assert member.loss.to_dict()["parameters"]["sigma"] == pytest.approx(2.0)


def test_a_loss_of_ones_own_stands_beside_them_as_it_is() -> None:
    own = _members(3, "softmax", own_loss="CrossEntropyLoss(label_smoothing=0.3)")[1]
    assert (own.name, own.loss, own.side) == ("your loss", None, "untouched")
