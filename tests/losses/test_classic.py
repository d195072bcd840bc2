"""The losses with a name keep the contract and equal what others compute."""

from typing import Any

import pytest
import torch
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    PolyLoss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
    cross_entropy_taylor,
    label_distribution,
)
from tests.losses.contract import LossContract


class TestCrossEntropy(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return CrossEntropyLoss(**arguments)


class TestMeanSquaredError(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return MeanSquaredErrorLoss(**arguments)


class TestBaikal(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return BaikalLoss(**arguments)


class TestBaikalCMA(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return BaikalCMALoss(**arguments)


class TestFocal(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return FocalLoss(2.0, **arguments)


class TestFractionalFocal(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return FocalLoss(0.5, **arguments)


class TestPoly(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return PolyLoss(1.5, **arguments)


class TestScaled(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return ScaledLoss(PolyLoss(**arguments), -2.5)


class TestScaledTaylor(LossContract):
    def make(self, **arguments: Any) -> Loss:
        theta = cross_entropy_taylor(3).theta
        return ScaledLoss(TaylorLoss(theta, **arguments), 3.0)


@pytest.fixture
def logits() -> torch.Tensor:
    return 3.0 * torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("alpha", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_torchs(logits: torch.Tensor, alpha: float, reduction: Any) -> None:
    loss = CrossEntropyLoss(reduction=reduction, label_smoothing=alpha)
    for target in (torch.tensor([0, 1, 2, 3, 0, 1]), logits.roll(1).softmax(-1)):
        expected = functional.cross_entropy(logits, target, reduction=reduction, label_smoothing=alpha)
        torch.testing.assert_close(loss(logits, target), expected, rtol=1e-14, atol=1e-14)


def test_mean_squared_error_is_torchs(logits: torch.Tensor) -> None:
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = functional.mse_loss(logits.softmax(-1), functional.one_hot(target, 4).double())
    torch.testing.assert_close(MeanSquaredErrorLoss(class_reduction="mean")(logits, target), expected)


def test_baselines_reduce_to_cross_entropy(logits: torch.Tensor) -> None:
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = CrossEntropyLoss()(logits, target)
    for loss in (FocalLoss(0.0), PolyLoss(0.0), ScaledLoss(CrossEntropyLoss(), 1.0)):
        torch.testing.assert_close(loss(logits, target), expected)


def test_saturated_cross_entropy_is_exact() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = CrossEntropyLoss()(logits, torch.tensor([1]))
    loss.backward()
    assert loss == 2e4
    assert logits.grad.tolist() == [[1.0, -1.0, 0.0]]


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyLoss(),
        FocalLoss(2.0),
        FocalLoss(0.5),
        PolyLoss(),
        TreeLoss("y * log(h)"),
        TreeLoss("0 - y * square(log(h)) / (1 + log(h)) - square(y) * h"),
    ],
    ids=str,
)
@pytest.mark.parametrize("target", [torch.tensor([0]), torch.tensor([[0.75, 0.25]])], ids=["hard", "soft"])
def test_a_masked_class_costs_nothing(loss: Loss, target: torch.Tensor) -> None:
    logits = torch.tensor([[1.0, 0.0]], requires_grad=True)
    masked = torch.cat([logits, torch.full((1, 1), -torch.inf)], 1)
    labels = torch.cat([target, torch.zeros(1, 1)], 1) if target.is_floating_point() else target
    for reduced in (loss(masked, labels), loss.per_class(masked, label_distribution(masked, labels)).sum()):
        torch.testing.assert_close(reduced, loss(logits, target))
        found, expected = (torch.autograd.grad(each, logits)[0] for each in (reduced, loss(logits, target)))
        torch.testing.assert_close(found, expected)


def test_a_masked_class_that_is_asked_for_costs_without_end() -> None:
    masked, labels = torch.tensor([[1.0, 0.0, -torch.inf]]), torch.tensor([[0.5, 0.25, 0.25]])
    for loss in (CrossEntropyLoss(), TreeLoss("y * log(h)")):
        assert loss(masked, labels) == torch.inf
        assert loss(masked, torch.tensor([2])) == torch.inf


def test_baikal_of_a_saturated_other_class_is_finite() -> None:
    logits = torch.tensor([[50.0, -50.0, 0.0]], requires_grad=True)
    BaikalLoss()(logits, torch.tensor([0])).backward()
    assert logits.grad.isfinite().all()


def test_scaled_loss_passes_progress_on() -> None:
    loss = ScaledLoss(TaylorLoss([0.1] * 13, inputs=("y", "h", "t")), 2.0)
    assert loss.uses_progress
    loss.progress = 0.5
    assert loss.progress == loss.loss.progress == 0.5


def test_a_scaled_loss_is_reduced_and_smoothed_as_the_one_inside() -> None:
    loss = ScaledLoss(CrossEntropyLoss(), 2.0)
    loss.loss.reduction, loss.loss.label_smoothing = "sum", 0.1
    assert (loss.reduction, loss.label_smoothing) == ("sum", 0.1)
    with pytest.raises(AttributeError, match="label_smoothing"):
        loss.label_smoothing = 0.2


@pytest.mark.parametrize(
    "build",
    [
        lambda: BaikalCMALoss([1.0] * 5),
        lambda: BaikalCMALoss([1.0, 1.0, -1.0, 1.0, 1.0, 1.0]),
        lambda: BaikalCMALoss([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        lambda: BaikalCMALoss([1.0, float("nan"), 1.0, 1.0, 1.0, 1.0]),
        lambda: FocalLoss(-1.0),
        lambda: FocalLoss(float("inf")),
        lambda: PolyLoss(float("nan")),
        lambda: PolyLoss("1"),  # type: ignore[arg-type]
        lambda: ScaledLoss(CrossEntropyLoss(), float("inf")),
        lambda: ScaledLoss(torch.nn.CrossEntropyLoss(), 1.0),  # type: ignore[arg-type]
    ],
)
def test_bad_parameters_are_refused(build: Any) -> None:
    with pytest.raises(LossError, match="Expected "):
        build()
