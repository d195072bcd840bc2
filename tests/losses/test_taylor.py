"""Taylor losses keep the contract, whatever their order and inputs, and reduce to what they should."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    TaylorLoss,
    cross_entropy_taylor,
    mean_squared_error_taylor,
    multi_indices,
    num_parameters,
)
from tests.losses.contract import LossContract


def random_theta(order: int, inputs: tuple[Any, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_parameters(order, inputs), dtype=torch.float64, generator=generator)


class TestThirdOrder(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(3, ("y", "h")), 3, **arguments)


class TestFirstOrder(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(1, ("y", "h")), 1, **arguments)


class TestSecondOrder(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(2, ("y", "h")), 2, folded=True, **arguments)


class TestSixthOrder(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(6, ("h", "y")), 6, ("h", "y"), **arguments)


class TestWithoutLabels(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(4, ("h",)), 4, ("h",), **arguments)


class TestWithProgress(LossContract):
    def make(self, **arguments: Any) -> Loss:
        loss = TaylorLoss(random_theta(3, ("y", "h", "t")), 3, ("y", "h", "t"), **arguments)
        loss.progress = 0.0
        return loss


class TestWithLogits(LossContract):
    has_elementwise = False

    def make(self, **arguments: Any) -> Loss:
        return TaylorLoss(random_theta(3, ("y", "h", "f")), 3, ("y", "h", "f"), **arguments)


LOGITS = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
TARGET = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])


def gradient(loss: Loss, logits: Tensor = LOGITS, target: Tensor = TARGET) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


@pytest.mark.parametrize(
    ("order", "inputs", "count"),
    [
        (2, ("y", "h"), 5),
        (3, ("y", "h"), 8),
        (4, ("y", "h"), 12),
        (5, ("y", "h"), 17),
        (9, ("y", "h"), 47),
        (3, ("y", "h", "t"), 13),
        (3, ("y", "h", "f"), 19),
        (3, ("f",), 4),
    ],
)
def test_parameter_counts(order: int, inputs: tuple[Any, ...], count: int) -> None:
    assert num_parameters(order, inputs) == count == len(inputs) + len(multi_indices(order, inputs))


def test_multi_indices_of_three_inputs_are_lexicographic() -> None:
    indices = multi_indices(3, ("y", "h", "t"))
    assert indices[:3] == [(0, 1, 0), (0, 1, 1), (0, 1, 2)]
    assert indices == sorted(indices)
    assert all(alpha[1] >= 1 for alpha in indices)


def test_definition_term_by_term() -> None:
    inputs = ("y", "h", "t")
    theta, y, h, t = random_theta(3, inputs), 0.3, 0.8, 0.25
    loss = TaylorLoss(theta, 3, inputs)
    loss.progress = t
    expected = 0.0
    for alpha, coefficient in zip(multi_indices(3, inputs), theta[3:].tolist(), strict=True):
        distances = [value - center for value, center in zip((y, h, t), theta[:3].tolist(), strict=True)]
        term = math.prod(d**a / math.factorial(a) for d, a in zip(distances, alpha, strict=True))
        expected -= coefficient * term
    found = loss.elementwise(torch.tensor([h], dtype=torch.float64), torch.tensor([y], dtype=torch.float64))
    assert found.item() == pytest.approx(expected, rel=1e-14)


def test_third_order_gamma_coefficients_in_closed_form() -> None:
    t0, t1, t2, t3, t4, t5, t6, t7 = theta = random_theta(3, ("y", "h")).tolist()
    found = TaylorLoss(theta).gamma_coefficients()
    expected = torch.zeros(3, 3, dtype=torch.float64)
    expected[0, 0] = t2 - t3 * t1 + t4 * t1**2 / 2 - t5 * t0 + t6 * t0 * t1 + t7 * t0**2 / 2
    expected[1, 0] = t3 - t4 * t1 - t6 * t0
    expected[2, 0] = t4 / 2
    expected[1, 1] = t6
    expected[0, 1] = t5 - t6 * t1 - t7 * t0
    expected[0, 2] = t7 / 2
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


def test_label_polynomials_against_numpy() -> None:
    theta = random_theta(4, ("y", "h"))
    t0, t1 = theta[:2].tolist()
    labels = [0.0, 1.0, 0.35]
    found = TaylorLoss(theta, 4).label_polynomials(torch.tensor(labels, dtype=torch.float64))
    for column, y in enumerate(labels):
        expected = np.zeros(5)
        for (a, b), coefficient in zip(multi_indices(4, ("y", "h")), theta[2:].tolist(), strict=True):
            shifted = polynomial.polypow([-t1, 1.0], b) * (y - t0) ** a
            expected[: b + 1] += coefficient * shifted / (math.factorial(a) * math.factorial(b))
        np.testing.assert_allclose(found[:, column].numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_taylor_of_squared_error_is_squared_error(order: int) -> None:
    taylor, exact = mean_squared_error_taylor(order), MeanSquaredErrorLoss()
    torch.testing.assert_close(gradient(taylor), gradient(exact))
    torch.testing.assert_close(taylor(LOGITS, TARGET) + 1.0, exact(LOGITS, TARGET))  # sum of y^2 is 1


@pytest.mark.parametrize("order", [3, 4, 7])
def test_zero_top_terms_leave_the_lower_order(order: int) -> None:
    lower = random_theta(order - 1, ("y", "h"))
    terms = dict(zip(multi_indices(order - 1, ("y", "h")), lower[2:].tolist(), strict=True))
    raised = [*lower[:2].tolist(), *(terms.get(alpha, 0.0) for alpha in multi_indices(order, ("y", "h")))]
    low, high = TaylorLoss(lower, order - 1), TaylorLoss(raised, order)
    torch.testing.assert_close(high(LOGITS, TARGET), low(LOGITS, TARGET))
    torch.testing.assert_close(gradient(high), gradient(low))


def test_zero_progress_terms_leave_the_bivariate_loss() -> None:
    flat = random_theta(3, ("y", "h"))
    terms = dict(zip(multi_indices(3, ("y", "h")), flat[2:].tolist(), strict=True))
    indices = multi_indices(3, ("y", "h", "t"))
    theta = [*flat[:2].tolist(), 0.7, *(terms[(a, b)] if c == 0 else 0.0 for a, b, c in indices)]
    loss = TaylorLoss(theta, 3, ("y", "h", "t"))
    loss.progress = 0.9
    torch.testing.assert_close(gradient(loss), gradient(TaylorLoss(flat)))


def test_taylor_of_cross_entropy_approaches_it_with_rising_order() -> None:
    unsure = 0.3 * LOGITS  # the series converges like (1 - 2 h)^order
    exact = gradient(CrossEntropyLoss(), unsure)
    errors = [float((gradient(cross_entropy_taylor(k), unsure) - exact).abs().max()) for k in (1, 2, 4, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 * errors[0]


@pytest.mark.parametrize(("order", "center"), [(2, 0.5), (3, 0.5), (3, 0.9), (6, 0.4)])
def test_taylor_of_cross_entropy_matches_its_derivatives(order: int, center: float) -> None:
    point = torch.tensor([center], dtype=torch.float64)
    taylor, exact = cross_entropy_taylor(order, center), CrossEntropyLoss()

    def slopes(loss: Loss) -> list[float]:
        h, values = point.clone().requires_grad_(), []
        value = loss.elementwise(h, point).sum()
        for _ in range(order):
            (value,) = torch.autograd.grad(value, h, create_graph=True)
            values.append(value.item())
        return values

    assert slopes(taylor) == pytest.approx(slopes(exact), rel=1e-10)


def test_folding_is_a_change_of_parameters() -> None:
    theta = random_theta(4, ("y", "h", "t"))
    inputs: tuple[Any, ...] = ("y", "h", "t")
    factorials = [math.prod(map(math.factorial, alpha)) for alpha in multi_indices(4, inputs)]
    folded = TaylorLoss(theta / torch.tensor([1, 1, 1, *factorials]), 4, inputs, folded=True)
    torch.testing.assert_close(folded(LOGITS, TARGET), TaylorLoss(theta, 4, inputs)(LOGITS, TARGET))


def test_progress_changes_the_loss() -> None:
    loss = TaylorLoss(random_theta(3, ("y", "h", "t")), 3, ("y", "h", "t"))
    assert loss.uses_progress
    early = loss(LOGITS, TARGET)
    loss.progress = 1.0
    assert loss(LOGITS, TARGET) != early
    loss.progress = 0.0
    assert loss(LOGITS, TARGET) == early
    for outside in (-0.1, 1.1, float("nan")):
        with pytest.raises(LossError):
            loss.progress = outside


def test_theta_and_settings_may_change_in_place() -> None:
    loss = TaylorLoss(random_theta(3, ("y", "h")))
    loss(LOGITS, TARGET)
    loss.theta.copy_(random_theta(3, ("y", "h"), seed=1))
    loss.class_reduction, loss.label_smoothing = "mean", 0.2
    fresh = TaylorLoss(random_theta(3, ("y", "h"), seed=1), class_reduction="mean", label_smoothing=0.2)
    assert torch.equal(loss(LOGITS, TARGET), fresh(LOGITS, TARGET))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_all_numbers_are_where_theta_is() -> None:
    theta = random_theta(3, ("y", "h"))
    loss = TaylorLoss(theta.cuda())
    assert {buffer.device.type for buffer in loss.buffers()} == {"cuda"}
    torch.testing.assert_close(loss.gamma_coefficients().cpu(), TaylorLoss(theta).gamma_coefficients())


def test_losses_of_logits_refuse_what_needs_h_alone() -> None:
    loss = TaylorLoss(random_theta(2, ("y", "f")), 2, ("y", "f"))
    for call in (
        lambda: loss.elementwise(LOGITS.softmax(-1), LOGITS),
        lambda: loss.gamma(LOGITS.softmax(-1), LOGITS),
        loss.gamma_coefficients,
    ):
        with pytest.raises(LossError, match="unscaled logits"):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"theta": [0.0] * 7}, "8 numbers: centres of y, h, then 6 coefficients"),
        ({"theta": [0.0] * 7 + [float("nan")]}, "finite"),
        ({"theta": [0.0] * 7 + [float("inf")]}, "finite"),
        ({"theta": "zeros"}, "8 numbers"),
        ({"theta": None}, "8 numbers"),
        ({"theta": [[0.0] * 8]}, "8 numbers"),
        ({"theta": [0.0] * 8, "order": 0}, "order of 1 or more"),
        ({"theta": [0.0] * 8, "order": 2.0}, "order of 1 or more"),
        ({"theta": [0.0] * 8, "order": True}, "order of 1 or more"),
        ({"theta": [0.0] * 8, "order": 10**9}, "up to 32"),
        ({"theta": [0.0] * 8, "inputs": ("y", "x")}, "inputs out of"),
        ({"theta": [0.0] * 8, "inputs": "yh"}, "inputs out of"),
        ({"theta": [0.0] * 8, "inputs": ("h", "h")}, "different inputs"),
        ({"theta": [0.0] * 8, "inputs": ("y", "t")}, "output of the network"),
        ({"theta": [0.0] * 8, "folded": 1}, "folded"),
        ({"theta": [0.0] * 8, "label_smoothing": 1.0}, "label_smoothing"),
        ({"theta": [0.0] * 8, "label_smoothing": "0.1"}, "label_smoothing"),
        ({"theta": [0.0] * 8, "reduction": "average"}, "reduction"),
        ({"theta": [0.0] * 8, "class_reduction": "none"}, "class_reduction"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LossError, match=message):
        TaylorLoss(**arguments)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: cross_entropy_taylor(0), "order"),
        (lambda: cross_entropy_taylor(3, 0.0), "centre"),
        (lambda: cross_entropy_taylor(3, 1.5), "centre"),
        (lambda: mean_squared_error_taylor(1), "order"),
    ],
)
def test_bad_builder_arguments_are_refused(build: Any, message: str) -> None:
    with pytest.raises(LossError, match=message):
        build()


@pytest.mark.parametrize("loss", [cross_entropy_taylor(3), CrossEntropyLoss()], ids=["fused", "elementwise"])
@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (LOGITS, torch.full((8,), 5), r"labels in 0\.\.4, got labels from 5 to 5"),
        (LOGITS, torch.full((8,), -100), r"labels in 0\.\.4"),
        (LOGITS, TARGET[:4], "labels of shape"),
        (LOGITS, TARGET.int(), "int64"),
        (LOGITS, TARGET.double(), "labels of shape"),
        (LOGITS, LOGITS.softmax(-1)[:, :3], "labels of shape"),
        (LOGITS[0], TARGET, "logits of shape"),
        (LOGITS[None], TARGET, "labels of shape"),
        (LOGITS[:, :1], TARGET, "C >= 2"),
        (TARGET[:, None].expand(8, 5), TARGET, "floating logits"),
    ],
)
def test_bad_batches_are_refused(loss: Loss, logits: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(LossError, match=message):
        loss(logits.clone().requires_grad_() if logits.is_floating_point() else logits, target)


@settings(max_examples=200)
@given(
    theta=st.one_of(st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=2)), max_size=14), st.text(max_size=3)),
    order=st.one_of(st.integers(-2, 4), st.floats(), st.none()),
    inputs=st.one_of(st.lists(st.sampled_from(["y", "h", "f", "t", "z"]), max_size=4), st.none(), st.text(max_size=3)),
)
def test_anything_is_a_loss_or_an_error(theta: Any, order: Any, inputs: Any) -> None:
    try:
        loss = TaylorLoss(theta, order, inputs)
    except LossError:
        return
    assert loss.theta.isfinite().all()
    assert loss(LOGITS, TARGET).shape == ()
