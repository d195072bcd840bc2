import math
import sys
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.losses import (
    CrossEntropyLoss,
    DriveLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    TwoSidedLoss,
    cross_entropy_taylor,
    named_loss,
)
from glo_lightning.theory import (
    attraction,
    default_kappa,
    drive,
    equilibria,
    null_epoch,
    startup_drive,
    summarize,
    trainability,
    zero_error_drive,
)

close = pytest.approx


def train_on_digits(loss: Loss, learning_rate: float = 0.1, steps: int = 200) -> float:
    """Train a 64-32-10 network and return its accuracy on images it has not seen."""
    pixels, digits = load_digits(return_X_y=True)
    inputs, target = torch.from_numpy(pixels).float() / 16.0, torch.from_numpy(digits)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9)
    for _ in range(steps):
        batch = torch.randint(1200, (64,))
        optimizer.zero_grad()
        loss(network(inputs[batch]), target[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        return (network(inputs[1200:]).argmax(-1) == target[1200:]).float().mean().item()


# loss, lhs and rhs of the printed invariant, drive, ratio, learning rate
PUBLISHED = {
    "taylorglo_1": (named_loss("taylorglo_1"), 8.041, 98.25, 8.04, 2.27, 0.1),
    "taylorglo_2": (named_loss("taylorglo_2"), 140.35, 15359.6, 140.35, 2.18, 0.01),
    "cross_entropy_order_3": (cross_entropy_taylor(3), 3.6, 5.12, 3.6, 1.0, 0.1),
    "cross_entropy_order_2": (cross_entropy_taylor(2), 2.0, 6.4, 2.0, 1.0, 0.1),
    "mse": (MeanSquaredErrorLoss(), 2.0, -1.6, 2.0, 1.0, 0.1),
}


@pytest.mark.parametrize(
    ("loss", "lhs", "rhs", "drive", "ratio", "learning_rate"), PUBLISHED.values(), ids=PUBLISHED.keys()
)
def test_the_printed_invariant_rejects_losses_that_train(
    loss: Loss, lhs: float, rhs: float, drive: float, ratio: float, learning_rate: float
) -> None:
    verdict = trainability(loss, 10)
    assert verdict.paper == (lhs >= rhs)
    assert verdict.paper_margin == close(lhs - rhs, rel=1e-3)
    assert verdict.exact
    assert verdict.stable
    assert verdict.drive == close(drive, rel=1e-3)
    assert verdict.ratio == close(ratio, abs=6e-3)
    assert train_on_digits(loss, learning_rate) > 0.85


def test_the_printed_invariant_can_be_flipped_without_changing_training() -> None:
    theta = [0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0]
    shifted = [0.0, 0.0, 1.0, -2.0, 0.0, 2.0, 0.0, 0.0]
    assert trainability(TaylorLoss(theta), 10).paper
    assert not trainability(TaylorLoss(shifted), 10).paper
    assert trainability(TaylorLoss(shifted), 10).stable
    logits = torch.randn(8, 10, dtype=torch.float64, requires_grad=True)
    gradients = [torch.autograd.grad(TaylorLoss(t)(logits, torch.arange(8)), logits)[0] for t in (theta, shifted)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-15)


def test_what_starts_uphill_does_not_train() -> None:
    uphill = TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, -2.0, 0.0, 0.0])
    verdict = trainability(uphill, 10)
    assert not verdict.exact
    assert not verdict.stable
    assert "uphill" in verdict.reason
    assert train_on_digits(uphill) < 0.2


def test_what_is_unstable_collapses() -> None:
    # drive 2 as mean squared error, but curvature -2: a common deviation grows as fast as classes part
    unstable = TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    verdict = trainability(unstable, 10)
    assert verdict.exact
    assert not verdict.stable
    assert verdict.ratio == close(-1.0)
    assert "collapse" in verdict.reason
    assert train_on_digits(unstable) < 0.2


def test_the_flat_loss_gets_a_clear_verdict() -> None:
    verdict = trainability(TaylorLoss([0.0] * 8), 10)
    assert (verdict.drive, verdict.curvature) == (0.0, 0.0)
    assert math.isnan(verdict.ratio)
    assert not verdict.exact
    assert not verdict.stable
    assert verdict.paper
    assert verdict.violation("exact") > 0.0
    assert "no gradient" in verdict.reason


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), MeanSquaredErrorLoss(), cross_entropy_taylor(4, 0.7)])
def test_proper_losses_have_ratio_one(loss: Loss, num_classes: int) -> None:
    verdict = trainability(loss, num_classes)
    assert verdict.ratio == close(1.0)
    assert verdict.stable


def test_a_black_box_is_judged_by_its_logits_alone() -> None:
    verdict = trainability(nn.CrossEntropyLoss(), 10)
    assert (verdict.drive, verdict.curvature) == (close(10.0), close(10.0))
    assert verdict.paper is None
    assert verdict.exact
    assert verdict.stable
    assert verdict.reason == ""
    assert verdict.violation("paper") == 0.0


def test_losses_of_unscaled_logits_are_judged_by_their_logits() -> None:
    hinge_like = TaylorLoss([0.0, 0.0, 0.0, -0.5, 1.0], order=2, inputs=("y", "f"))
    verdict = trainability(hinge_like, 10)
    assert verdict.paper is None
    assert verdict.exact
    assert verdict.curvature == close(50.0)  # l = f^2 / 4 - y f has second derivative 1/2; times C^2


def test_an_undefined_loss_fails_every_verdict_and_says_where() -> None:
    verdict = trainability(TreeLoss("log(h - 1/5) + y"), 10)
    assert (verdict.paper, verdict.exact, verdict.stable) == (False, False, False)
    assert "h = 0.1" in verdict.reason
    assert verdict.violation("paper") == verdict.violation("stable") == sys.float_info.max


def test_two_classes_are_not_tested_for_collapse() -> None:
    unstable = TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    verdict = trainability(unstable, 2)
    assert verdict.kappa == math.inf
    assert verdict.ratio < -0.5
    assert verdict.stable
    assert not trainability(unstable, 2, kappa=0.5).stable


def test_kappa() -> None:
    assert [default_kappa(n) for n in (2, 3, 4, 5, 1000)] == [math.inf, 1.0, 1.0, 0.5, 0.5]
    assert default_kappa(10, rho=1000.0) == 0.25
    assert default_kappa(10, rho=40.0) == 0.5
    assert default_kappa(10, rho=1.0) == 1.0
    assert default_kappa(2, rho=40.0) == math.inf
    verdict = trainability(CrossEntropyLoss(), 10, kappa=0.0)
    assert verdict.kappa == 0.0
    assert verdict.stable


def test_violations_rank_losses() -> None:
    mild, severe = (TaylorLoss([0.0, 0.0, 0.0, 0.0, 0.0, -d, 0.0, 0.0]) for d in (0.1, 3.0))
    for invariant in ("exact", "stable"):
        amounts = [trainability(loss, 10).violation(invariant) for loss in (CrossEntropyLoss(), mild, severe)]
        assert amounts == [0.0, close(0.1), close(3.0)]
    assert trainability(named_loss("taylorglo_1"), 10).violation("paper") == close(98.25 - 8.04, abs=0.01)


@pytest.mark.parametrize("num_classes", [1, 0, -1, 10.0])
def test_refuses_fewer_than_two_classes(num_classes: int) -> None:
    with pytest.raises(GloError, match="num_classes of 2 or more"):
        trainability(CrossEntropyLoss(), num_classes)


@pytest.mark.parametrize("kappa", [-0.5, float("nan")])
def test_refuses_a_negative_kappa(kappa: float) -> None:
    with pytest.raises(GloError, match="kappa of 0 or more"):
        trainability(CrossEntropyLoss(), 10, kappa)


@pytest.mark.parametrize("judge", [trainability, startup_drive, null_epoch])
def test_a_yes_or_no_is_two_classes_however_many_labels_there_are(judge: Any) -> None:
    inside = MeanSquaredErrorLoss()
    assert judge(SigmoidLoss(inside), 2) == judge(inside, 2)
    with pytest.raises(SettingsError, match=r"num_classes=2 for a loss of sigmoid outputs, .*, got 10\. Pass 2"):
        judge(SigmoidLoss(inside), 10)


JUDGES = [
    trainability,
    startup_drive,
    null_epoch,
    summarize,
    zero_error_drive,
    equilibria,
    lambda loss, num_classes: drive(loss, 0.5, num_classes),
    lambda loss, num_classes: attraction(loss, 0.5, num_classes),
]


@pytest.mark.parametrize("judge", JUDGES)
def test_a_loss_for_so_many_classes_is_judged_for_no_others(judge: Any) -> None:
    hundred = DriveLoss(q=0.7, num_classes=100)
    for loss, own in ((hundred, 100), (ScaledLoss(hundred, 2.0), 100), (TwoSidedLoss(CrossEntropyLoss()), 2)):
        judge(loss, own)
        with pytest.raises(
            SettingsError, match=rf"num_classes={own}, for which the loss was made, got 10\. Pass {own}"
        ):
            judge(loss, 10)
