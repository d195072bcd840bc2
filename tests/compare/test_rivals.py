"""Baselines are what they are called, and twins start like the losses they are twins of."""

import pytest
import torch

from glo_lightning.compare.rivals import scaled_twin, with_baselines
from glo_lightning.errors import SettingsError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    HeadsLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    named_loss,
)

STARTING_DOWNHILL: dict[str, Loss] = {
    **{name: named_loss(name) for name in ("baikal", "mse", "taylorglo_1", "taylorglo_2")},
    "mean over classes": BaikalLoss(class_reduction="mean"),
    "scaled mean over classes": ScaledLoss(TaylorLoss(named_loss("taylorglo_1").theta, class_reduction="mean"), 3.0),
}


@pytest.mark.parametrize("loss", STARTING_DOWNHILL.values(), ids=STARTING_DOWNHILL)
def test_a_twin_has_the_gradient_of_its_loss_where_training_starts(loss: Loss) -> None:
    twin = scaled_twin(loss, CrossEntropyLoss(), num_classes=7)
    assert twin is not None
    logits = torch.zeros(3, 7, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 3, 6])
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    (twins,) = torch.autograd.grad(twin[1](logits, target), logits)
    torch.testing.assert_close(twins, gradient)


def test_a_loss_that_starts_uphill_has_no_twin() -> None:
    assert scaled_twin(ScaledLoss(BaikalLoss(), -1.0), CrossEntropyLoss(), num_classes=10) is None


def test_a_loss_of_which_no_sample_has_its_own_has_no_twin() -> None:
    assert scaled_twin(named_loss("dice"), CrossEntropyLoss(), num_classes=10) is None


def test_every_head_has_a_scale() -> None:
    twin = scaled_twin(HeadsLoss([BaikalLoss(), MeanSquaredErrorLoss()]), CrossEntropyLoss(), num_classes=10)
    assert twin is not None
    assert twin[0] == "10, 0.2"
    assert isinstance(twin[1], HeadsLoss)


def test_cross_entropy_is_first_wherever_it_comes_from() -> None:
    losses = {"baikal": BaikalLoss(), "cross_entropy": CrossEntropyLoss()}
    assert list(with_baselines(losses, [], 10)) == ["cross_entropy", "baikal"]
    names = ["cross_entropy", "cross_entropy × 10", "label_smoothing", "focal", "poly", "baikal"]
    assert list(with_baselines(losses, ["poly", "focal", "label_smoothing", "twin"], 10)) == names


def test_baselines_suit_the_outputs() -> None:
    together = with_baselines({"mine": SigmoidLoss(BaikalLoss())}, ["cross_entropy", "twin", "focal"], 2, "sigmoid")
    logits, labels = torch.randn(5, 3), torch.ones(5, 3)
    assert all(loss(logits, labels).isfinite() for loss in together.values())
    assert len(together) == 4


@pytest.mark.parametrize("name", ["cross_entropy", "label_smoothing", "cross_entropy × 10"])
def test_no_loss_passes_for_a_baseline(name: str) -> None:
    losses = {"baikal": BaikalLoss(), name: MeanSquaredErrorLoss()}
    with pytest.raises(SettingsError, match=f"beside the baseline '{name}'"):
        with_baselines(losses, ["twin", "label_smoothing"], 10)


def test_one_loss_is_no_comparison() -> None:
    with pytest.raises(SettingsError, match="two or more"):
        with_baselines({"baikal": BaikalLoss()}, [], 10)
