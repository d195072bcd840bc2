"""Drive losses: the contract, the losses of the literature among them, and independent integrals."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import roots_jacobi
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import CrossEntropyLoss, DriveLoss, Loss, PolyLoss, SigmoidLoss
from glo_lightning.losses.quadrature import gauss_jacobi
from glo_lightning.theory import drive, normalize_drive, startup_drive, zero_error_drive
from tests.losses.contract import LossContract


class SevenClasses(LossContract):
    @pytest.fixture
    def logits(self) -> Tensor:
        return torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


class TestDrive(SevenClasses):
    def make(self, **arguments: Any) -> Loss:
        return DriveLoss(1.3, 0.4, 0.5, (1.0, -2.0), num_classes=7, **arguments)


class TestSteepEnds(SevenClasses):
    finite_when_saturated = False  # p^-0.6

    def make(self, **arguments: Any) -> Loss:
        return DriveLoss(0.7, -0.6, -0.5, num_classes=7, **arguments)


class TestPolynomialAlone(SevenClasses):
    def make(self, **arguments: Any) -> Loss:
        return DriveLoss(c=(0.5, 0.0, 3.0), num_classes=7, **arguments)


class TestTwoClasses(LossContract):
    @pytest.fixture
    def logits(self) -> Tensor:
        return torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def make(self, **arguments: Any) -> Loss:
        return DriveLoss(q=0.7, g=1.5, num_classes=2, **arguments)


LOGITS = torch.randn(40, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4.0
TARGET = torch.randint(10, (40,), generator=torch.Generator().manual_seed(1))
P = LOGITS.softmax(-1).gather(-1, TARGET.unsqueeze(-1)).squeeze(-1)

LITERATURE: dict[str, tuple[DriveLoss, Tensor]] = {
    "cross-entropy": (DriveLoss(), functional.cross_entropy(LOGITS, TARGET)),
    "no coefficients": (DriveLoss(c=()), functional.cross_entropy(LOGITS, TARGET)),
    "mae": (DriveLoss.like("mae"), (functional.one_hot(TARGET, 10) - LOGITS.softmax(-1)).abs().sum(-1).mean()),
    "gce": (DriveLoss.like("gce", q=0.7), ((1.0 - P**0.7) / 0.7).mean()),
    "poly": (DriveLoss.like("poly", epsilon=2.0), PolyLoss(2.0)(LOGITS, TARGET)),
    "negative poly": (DriveLoss.like("poly", epsilon=-1.0), PolyLoss(-1.0)(LOGITS, TARGET)),
    "sce": (DriveLoss.like("sce", alpha=0.1, beta=1.0), (-0.1 * P.log() + 4.0 * (1.0 - P)).mean()),
    "agce 2": (DriveLoss.like("agce", q=2, a=0.6), ((1.6**2 - (0.6 + P) ** 2) / 2).mean()),
    "agce 3": (DriveLoss.like("agce", q=3, a=4.0), ((5.0**3 - (4.0 + P) ** 3) / 3).mean()),
}


@pytest.mark.parametrize(("loss", "expected"), LITERATURE.values(), ids=LITERATURE)
def test_members_equal_the_losses_of_the_literature(loss: DriveLoss, expected: Tensor) -> None:
    torch.testing.assert_close(loss(LOGITS, TARGET), expected, rtol=1e-9, atol=1e-12)


def test_reverse_cross_entropy_is_the_mean_absolute_error() -> None:
    """The term of symmetric cross-entropy that label noise cannot mislead, with log 0 taken as A = -4."""
    h, y = LOGITS.softmax(-1), functional.one_hot(TARGET, 10)
    reverse = -(h * torch.where(y == 1, 0.0, -4.0)).sum(-1).mean()
    found = DriveLoss.like("sce", alpha=0.2, beta=0.5)(LOGITS, TARGET)
    torch.testing.assert_close(found, 0.2 * functional.cross_entropy(LOGITS, TARGET) + 0.5 * reverse)


@pytest.mark.parametrize("g", [-0.95, -0.5, 0.0, 0.5, 3.0])
def test_nodes_are_scipys(g: float) -> None:
    places, weights = roots_jacobi(32, 0.0, g)
    nodes, quadrature = gauss_jacobi(g)
    np.testing.assert_allclose(nodes, (1.0 + places) / 2.0, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(quadrature * nodes**g, weights / 2.0 ** (1.0 + g), rtol=1e-9)


def incomplete_beta(p: float, q: float, g: float, c: tuple[float, ...], num_classes: int) -> float:
    """Return the integral of the drive as hypergeometric functions, one for each power of p."""
    start, exact = mpmath.mpf(1) / num_classes, mpmath.mpf(1) - mpmath.mpf(p)
    powers = [mpmath.mpf(0)] * (len(c) + 1)
    for k, coefficient in enumerate((1.0, *c)):
        for j in range(k + 1):
            powers[j] += coefficient * mpmath.binomial(k, j) * (-start) ** (k - j)
    total = sum(
        power * exact ** (g + 1) / (g + 1) * mpmath.hyp2f1(1 - q - j, g + 1, g + 2, exact)
        for j, power in enumerate(powers)
    )
    return float(total * num_classes**q / (1 - start) ** g)


@pytest.mark.parametrize("p", [1e-9, 1e-3, 0.1, 0.5, 0.99, 1.0 - 1e-9])
@pytest.mark.parametrize(
    ("q", "g", "c"),
    [(0.7, 0.0, ()), (-0.5, -0.5, (1.0, -2.0)), (2.0, 3.0, (-1.0, 2.0)), (0.3, -0.9, ()), (1.0, 0.5, (2.0,))],
)
def test_the_value_is_the_integral(p: float, q: float, g: float, c: tuple[float, ...]) -> None:
    with mpmath.workdps(40):
        expected = incomplete_beta(p, q, g, c, 10)
    found = DriveLoss(1.0, q, g, c).elementwise(torch.tensor(p, dtype=torch.float64), torch.tensor(1.0))
    assert float(found) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=30)
@given(st.floats(-0.9, 4.0), st.floats(-0.9, 4.0), st.lists(st.floats(-3.0, 3.0), max_size=3), st.integers(2, 40))
def test_the_gradient_is_the_weight(q: float, g: float, c: list[float], num_classes: int) -> None:
    """It is known in closed form, and autograd of the quadrature itself agrees."""
    loss = DriveLoss(1.0, q, g, c, num_classes)
    logits = torch.randn(6, num_classes, dtype=torch.float64).requires_grad_()
    target = torch.arange(6) % num_classes
    (found,) = torch.autograd.grad(loss(logits, target), logits)
    log_p = logits.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    (expected,) = torch.autograd.grad(loss.shape.integral(log_p).mean(), logits)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("arguments", [(1.0, -0.9, -0.9), (1.0, 2.0, 3.0), (1.0, 0.0, -0.5, (1.0, 1.0))])
def test_certain_outputs_have_finite_gradients_in_single_precision(arguments: tuple[Any, ...]) -> None:
    """At a margin of 30, p rounds to 1; what the others have decides, and the gradient goes like (1 - p)^(1 + g)."""
    logits = torch.zeros(1, 10)
    logits[0, 0] = 30.0
    loss, target = DriveLoss(*arguments), torch.tensor([0])
    (single,) = torch.autograd.grad(loss(logits.requires_grad_(), target), logits)
    double = logits.detach().double().requires_grad_()
    (exact,) = torch.autograd.grad(loss(double, target), double)
    torch.testing.assert_close(single, exact.float(), rtol=1e-4, atol=1e-30)


@given(st.floats(0.1, 5.0), st.floats(-0.9, 4.0), st.floats(-0.9, 4.0), st.floats(-3.0, 3.0))
def test_training_starts_as_cross_entropys_times_the_scale(scale: float, q: float, g: float, c: float) -> None:
    assert startup_drive(DriveLoss(scale, q, g, (c,)), 10) == pytest.approx(10.0 * scale, rel=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_it_is_a_number_wherever_the_largest_power_would_overflow(label_smoothing: float) -> None:
    loss = DriveLoss(g=-0.99, c=(1000.0,), num_classes=4, label_smoothing=label_smoothing)
    for size in (1.0, 30.0, 200.0):
        assert loss(torch.tensor([[size, 0.0, -size, 1.0]]), torch.eye(4)[:1]).isfinite()


def test_theory_knows_the_ends() -> None:
    assert zero_error_drive(DriveLoss(), 10) == zero_error_drive(CrossEntropyLoss(), 10) == 1.0
    assert zero_error_drive(DriveLoss(g=0.5), 10) == 0.0
    assert zero_error_drive(DriveLoss(g=-0.5), 10) == math.inf
    p = torch.tensor([0.2, 0.9])
    torch.testing.assert_close(drive(DriveLoss.like("mae"), p, 10), torch.full((2,), 2.0, dtype=torch.float64))


def test_scaling_stays_within_the_family() -> None:
    normalised = normalize_drive(DriveLoss(0.25, 0.5, 0.5, (1.0,)), 10)
    assert isinstance(normalised, DriveLoss)
    assert normalised.to_dict()["parameters"] == DriveLoss(1.0, 0.5, 0.5, (1.0,)).to_dict()["parameters"]


def test_sigmoid_outputs() -> None:
    logits, labels = torch.randn(6, 3), torch.rand(6, 3).round()
    found = SigmoidLoss(DriveLoss(num_classes=2))(logits, labels)
    torch.testing.assert_close(found, functional.binary_cross_entropy_with_logits(logits, labels))


def test_compiled_it_is_the_same() -> None:
    loss = DriveLoss(1.3, 0.4, -0.5, (1.0, -2.0))
    logits = LOGITS.float().requires_grad_()
    compiled = torch.compile(loss, backend="aot_eager")
    (found,) = torch.autograd.grad(compiled(logits, TARGET), logits)
    (expected,) = torch.autograd.grad(loss(logits, TARGET), logits)
    torch.testing.assert_close(found, expected)


BAD: dict[str, dict[str, Any]] = {
    "q": {"q": -1.0},
    "g": {"g": -1.5},
    "nan": {"scale": math.nan},
    "infinite c": {"c": (math.inf,)},
    "many c": {"c": (0.0,) * 9},
    "huge exponent": {"q": 1e3},
    "one class": {"num_classes": 1},
    "true classes": {"num_classes": True},
    "text": {"scale": "1"},
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_numbers_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(LossError):
        DriveLoss(**arguments)


@pytest.mark.parametrize("arguments", [{"name": "focal"}, {"name": "gce", "q": 1.5}, {"name": "agce", "q": 1.5}])
def test_no_members_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(LossError, match="Other losses"):
        DriveLoss.like(**arguments)


def test_logits_of_other_classes_are_refused() -> None:
    with pytest.raises(LossError, match="Make it for 7 classes"):
        DriveLoss()(torch.zeros(2, 7), torch.tensor([0, 1]))
