"""Losses that ask of a yes something else than of a no: the contract, asymmetric loss, and drives for each side."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    ActivePassiveLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    FocalLoss,
    HuberLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    TwoSidedLoss,
    asymmetric_loss,
    two_sided_drive,
)
from glo_lightning.theory import drive, startup_drive, trainability
from tests.losses.contract import LossContract


class TwoClasses(LossContract):
    has_elementwise = False
    sums_symbol = False

    @pytest.fixture
    def logits(self) -> Tensor:
        return torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


class TestAsymmetric(TwoClasses):
    def make(self, **arguments: Any) -> Loss:
        return TwoSidedLoss(FocalLoss(1.0, **arguments), FocalLoss(3.0, 0.1, **arguments))


class TestDrives(TwoClasses):
    def make(self, **arguments: Any) -> Loss:
        own: dict[str, Any] = {"num_classes": 2, **arguments}
        return TwoSidedLoss(DriveLoss(1.3, 0.4, 0.5, **own), DriveLoss(0.7, 0.2, 1.5, c=(1.0,), **own))


class TestUnlike(TwoClasses):
    def make(self, **arguments: Any) -> Loss:
        return TwoSidedLoss(TreeLoss("y * log(h)", **arguments), ScaledLoss(MeanSquaredErrorLoss(**arguments), 0.5))


class TestYesAlone(TwoClasses):
    def make(self, **arguments: Any) -> Loss:
        return TwoSidedLoss(DriveLoss(q=0.5, g=0.5, num_classes=2, **arguments))


LOGITS = 3.0 * torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.rand(20, 3, generator=torch.Generator().manual_seed(1)).round().double()


@pytest.mark.parametrize(("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 2.5, 0.2), (0.5, 0.5, 0.0)])
def test_asymmetric_loss_is_its_papers(positive: float, negative: float, margin: float) -> None:
    """Written as in the authors' code, with p for yes and no, and the no's shifted and cut off."""
    yes, no = LOGITS.sigmoid(), ((1.0 - LOGITS.sigmoid()) + margin).clamp(max=1.0)
    likelihood = LABELS * yes.log() + (1.0 - LABELS) * no.log()
    certainty = yes * LABELS + no * (1.0 - LABELS)
    weight = (1.0 - certainty) ** (positive * LABELS + negative * (1.0 - LABELS))
    found = asymmetric_loss(positive, negative, margin, reduction="none")(LOGITS, LABELS)
    torch.testing.assert_close(found, -weight * likelihood)
    timms = AsymmetricLossMultiLabel(negative, positive, margin)
    pairs = zip(LOGITS.view(-1, 1, 1), LABELS.view(-1, 1, 1), strict=True)
    torch.testing.assert_close(found.flatten(), torch.stack([timms(*pair) for pair in pairs]), check_dtype=False)


def test_without_focusing_it_is_binary_cross_entropy() -> None:
    found = asymmetric_loss(0.0, 0.0, 0.0)(LOGITS, LABELS)
    torch.testing.assert_close(found, functional.binary_cross_entropy_with_logits(LOGITS, LABELS))


@pytest.mark.parametrize("focusing", [0.5, 1.0, 4.0])
def test_a_no_that_is_sure_enough_costs_nothing(focusing: float) -> None:
    logits = torch.tensor([-4.0, -1e4], requires_grad=True)
    loss = asymmetric_loss(0.0, focusing, 0.05)(logits, torch.zeros(2))
    loss.backward()
    assert float(loss) == 0.0
    assert logits.grad.tolist() == [0.0, 0.0]


def test_a_drive_at_zeros_is_binary_cross_entropy() -> None:
    logits, labels = LOGITS.clone().requires_grad_(), torch.rand(20, 3, dtype=torch.float64)
    found = SigmoidLoss(two_sided_drive())(logits, labels)
    expected = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)


def test_alike_on_both_sides_it_is_the_loss_itself() -> None:
    inside = DriveLoss(1.7, 0.4, 0.8, c=(), num_classes=2)
    found = SigmoidLoss(two_sided_drive(1.7, 0.0, (0.4, 0.8), (0.4, 0.8)))(LOGITS, LABELS)
    torch.testing.assert_close(found, SigmoidLoss(inside)(LOGITS, LABELS))


def test_a_drive_comes_near_asymmetric_loss() -> None:
    """The weight of a no, p^g (1 - ...), has the same power at the end where it is known."""
    asymmetric = asymmetric_loss(0.0, 4.0, 0.0)
    p = torch.logspace(-6.0, -2.0, 9, dtype=torch.float64)
    near = SigmoidLoss(two_sided_drive(positive=(0.0, 0.0), negative=(0.0, 4.0)))
    forces = []
    for loss in (asymmetric, near):
        logits = p.logit().requires_grad_()
        forces.append(torch.autograd.grad(loss(logits, torch.zeros_like(p)), logits)[0])
    ratios = forces[0] / forces[1]
    assert torch.allclose(ratios / ratios[0], torch.ones_like(p), rtol=0.1)


@given(st.floats(0.1, 5.0), st.floats(-1.0, 1.0), st.floats(-0.9, 4.0), st.floats(-0.9, 4.0))
@settings(max_examples=20)
def test_training_starts_as_binary_cross_entropys_times_the_scale(s: float, b: float, q: float, g: float) -> None:
    """Theory's start is the mean of both sides' forces on a logit of 0, by autograd."""
    loss = SigmoidLoss(two_sided_drive(s, b, (q, g), (g, q)))
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1.0, 0.0], dtype=torch.float64)
    (found,) = torch.autograd.grad(loss(logits, labels), logits)
    (reference,) = torch.autograd.grad(functional.binary_cross_entropy_with_logits(logits, labels), logits)
    assert float((found / reference).mean()) == pytest.approx(s, rel=1e-9)
    assert startup_drive(loss, 2) == pytest.approx(2.0 * s, rel=1e-9)
    assert float(drive(loss, 0.5, 2)) == pytest.approx(2.0 * s, rel=1e-9)
    assert trainability(loss, 2).exact


def test_progress_reaches_both_sides() -> None:
    assert not TwoSidedLoss(CrossEntropyLoss()).uses_progress
    timed = TaylorLoss([0.1] * 13, inputs=("y", "h", "t"))
    loss = TwoSidedLoss(CrossEntropyLoss(), timed)
    assert loss.uses_progress
    loss.progress = 0.5
    assert timed.progress == 0.5


BAD: dict[str, tuple[Any, ...]] = {
    "no loss": (torch.nn.BCEWithLogitsLoss(),),
    "no loss of the no": (CrossEntropyLoss(), torch.nn.CrossEntropyLoss()),
    "other reductions": (CrossEntropyLoss(), CrossEntropyLoss(reduction="sum")),
    "other smoothing": (CrossEntropyLoss(), CrossEntropyLoss(label_smoothing=0.1)),
    "of all logits": (ActivePassiveLoss(),),
    "of unscaled logits": (TaylorLoss([0.1] * 8, inputs=("y", "f")),),
    "more classes": (DriveLoss(num_classes=3),),
    "wrapped": (CrossEntropyLoss(), ClassAwareLoss(CrossEntropyLoss(), [1, 2])),
    "of numbers": (CrossEntropyLoss(), HuberLoss()),
    "within itself": (TwoSidedLoss(CrossEntropyLoss()),),
}


@pytest.mark.parametrize("sides", BAD.values(), ids=BAD)
def test_sides_that_do_not_fit_are_refused(sides: tuple[Any, ...]) -> None:
    with pytest.raises(LossError):
        TwoSidedLoss(*sides)


@pytest.mark.parametrize(
    "arguments", [{"balance": 1.5}, {"balance": math.nan}, {"scale": math.inf}, {"balance": "0"}, {"scale": "1"}]
)
def test_bad_numbers_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(LossError):
        two_sided_drive(**arguments)
    with pytest.raises(LossError):
        asymmetric_loss(margin=1.0)
