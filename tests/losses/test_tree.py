"""Losses as expression trees, against the named losses and against 60-digit values."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.func import functional_call, vmap

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    PolyLoss,
    TreeLoss,
)
from tests.losses.contract import LossContract


class TestCrossEntropyTree(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TreeLoss("y * log(h)", **arguments)


class TestBaikalTree(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TreeLoss("log(h) - y / h", coefficients=[0.7, 1.3], **arguments)


class TestNestedTree(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TreeLoss("sqrt(h * y + 1) / log(2 + h) - square(h - y) / 3", **arguments)


A, B = 2.7279 * 0.9863, 2.7279 * -1.1135 * 1.3716 / -0.8411

TREES = {
    "cross_entropy": TreeLoss("y * log(h)"),
    "mse": TreeLoss("-square(h - y)"),
    "baikal": TreeLoss("log(h) - y / h"),
    "baikal_cma": TreeLoss("log(h) - y / h", coefficients=[A, B]),
}
TWINS = {
    "y * log(h)": CrossEntropyLoss(),
    "-square(h - y)": MeanSquaredErrorLoss(),
    "log(h) - y / h": BaikalLoss(),
    "y * square(1 - h) * log(h)": FocalLoss(2.0),
    "y * (log(h) - (1 - h))": PolyLoss(1.0),
}
CASES = [
    pytest.param(case, id=f"{case['loss']}-{number}")
    for number, case in enumerate(json.loads((Path(__file__).parent / "vectors.json").read_text())["cases"])
    if case["loss"] in TREES
]
TRICKY = ["log(h + h * h)", "sqrt(y * (1 - h))", "log(y + h)", "y * log(1 - h) / h", "log(square(h)) + 1 / sqrt(h)"]
EXTREME = torch.tensor([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4], [0.0, 0.0, 0.0], [80.0, -80.0, 1e4]])


def values_and_gradients(loss: Loss, logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def as_double(numbers: list) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def restated(loss: TreeLoss, **changes) -> TreeLoss:
    return TreeLoss(**{**loss.arguments(), **changes})


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_vectors(case):
    loss = restated(TREES[case["loss"]], class_reduction="mean", label_smoothing=case["label_smoothing"])
    logits = as_double(case["logits"])
    hard = case["labels"].get("hard")
    target = as_double(case["labels"]["soft"]) if hard is None else torch.tensor(hard)
    value, gradient = values_and_gradients(loss, logits, target)
    expected = case["expected"]
    constant = -A * math.log(1.5352) if case["loss"] == "baikal_cma" else 0.0
    assert float(value) + constant == pytest.approx(expected["loss"], rel=1e-9, abs=1e-12)
    torch.testing.assert_close(gradient, as_double(expected["grad_logits"]), rtol=1e-9, atol=1e-12)
    y = loss.smooth(target if target.ndim == 2 else torch.eye(case["n"]).double()[target])
    gamma = loss.gamma(logits.softmax(-1), y)
    torch.testing.assert_close(gamma, as_double(expected["gamma"]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("expression", "twin"), TWINS.items())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_named_loss(expression, twin, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 10, generator=generator, dtype=dtype) * 3
    target = torch.randint(10, (64,), generator=generator)
    tree = TreeLoss(expression)
    for ours, theirs in zip(
        values_and_gradients(tree, logits, target), values_and_gradients(twin, logits, target), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    h, y = logits.softmax(-1), torch.nn.functional.one_hot(target, 10).to(dtype)
    torch.testing.assert_close(tree.gamma(h, y), twin.gamma(h, y))


@pytest.mark.parametrize("expression", [*TWINS, *TRICKY])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite_where_the_function_is_defined(expression, dtype):
    for target in torch.cartesian_prod(*[torch.arange(3)] * 4):
        value, gradient = values_and_gradients(TreeLoss(expression), EXTREME.to(dtype), target)
        assert value.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("gap", [40.0, 46.0, 90.0, 1e4])
def test_powers_of_h_that_round_to_0_leave_no_gap_in_the_gradient(gap):
    loss, logits = TreeLoss("log(h * h + y) - y / h"), torch.tensor([[gap, 0.0, 0.0]])
    value, gradient = values_and_gradients(loss, logits, torch.tensor([0]))
    assert value.isfinite()
    assert gradient.isfinite().all()
    if gap == 40.0:
        exact = values_and_gradients(loss, logits.double(), torch.tensor([0]))
        torch.testing.assert_close((value, gradient), (exact[0].float(), exact[1].float()))


def test_saturated_cross_entropy_is_exact():
    logits = torch.tensor([[0.0, 1e4]])
    assert float(TreeLoss("y * log(h)")(logits, torch.tensor([0]))) == 1e4


@pytest.mark.parametrize("expression", ["log(h - y)", "sqrt(h - y)", "log(y) * h", "h / y", "h + y / (1 - y)"])
def test_undefined_values_show(expression):
    loss = TreeLoss(expression)
    assert 0.0 < loss.definedness().share < 1.0
    assert not loss(torch.randn(3, 3), torch.tensor([0, 1, 2])).isfinite()


@pytest.mark.parametrize("expression", ["1 / (h - h)", "log(0 - h)", "sqrt(-1) * y", "y / (y - y)", "log(0)"])
def test_expressions_undefined_everywhere_are_refused(expression):
    with pytest.raises(LossError, match="undefined at"):
        TreeLoss(expression)


@pytest.mark.parametrize(
    "coefficients", [[], [1.0], [1.0, 2.0, 3.0], [1.0, math.nan], [1.0, math.inf], "ab", [[1.0, 2.0]]]
)
def test_wrong_coefficients_are_refused(coefficients):
    with pytest.raises(LossError, match="2 finite coefficients, of log\\(h\\), y / h"):
        TreeLoss("log(h) - y / h", coefficients=coefficients)


def test_coefficients_scale_their_nodes():
    h, y = torch.rand(4, 5, dtype=torch.float64), torch.rand(4, 5, dtype=torch.float64)
    loss = TreeLoss("square(h) * log(h + y)", coefficients=[2.0, 3.0, 0.5])
    torch.testing.assert_close(loss.elementwise(h, y), -2.0 * h**2 * (3.0 * h + 0.5 * y).log())


def test_unit_coefficients_change_nothing():
    h, y = torch.rand(4, 5, dtype=torch.float64), torch.rand(4, 5, dtype=torch.float64)
    plain = TreeLoss("square(h) * log(h + y)")
    assert torch.equal(plain.elementwise(h, y), restated(plain, coefficients=[1.0, 1.0, 1.0]).elementwise(h, y))


def test_vmap_over_coefficients_equals_a_loop():
    loss = TreeLoss("log(h) - y / h")
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    coefficients = torch.randn(5, 2, dtype=torch.float64)

    def value(row):
        return functional_call(loss, {"coefficients": row}, (logits, target))

    looped = torch.stack([TreeLoss("log(h) - y / h", row)(logits, target) for row in coefficients])
    torch.testing.assert_close(vmap(value)(coefficients), looped)


@pytest.mark.parametrize("expression", ["log(h) - y / h", "sqrt(h * y + 1) / log(2 + h)"])
def test_compiles_in_one_graph(expression):
    loss = TreeLoss(expression)
    logits, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(logits, target), loss(logits, target))


@pytest.mark.parametrize("expression", ["y", "y + h / h", "0 * square(h) * y / h + 1"])
def test_an_expression_that_never_changes_has_a_gradient_of_zero(expression):
    _, gradient = values_and_gradients(TreeLoss(expression), torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
    assert torch.equal(gradient, torch.zeros(4, 3))


@pytest.mark.parametrize(
    "parameters",
    [
        {"expression": "__import__('os')"},
        {"expression": 3},
        {"expression": "y * log(h)", "coefficients": [1.0, 2.0]},
        {"expression": "1 / (h - h)"},
        {},
    ],
)
def test_bad_stored_forms_are_refused(parameters):
    with pytest.raises(LossFileError):
        Loss.from_dict({"format": 1, "family": "tree", "parameters": parameters})


@pytest.mark.parametrize(("expression", "twin"), TWINS.items())
def test_formula_is_the_functions(expression, twin):
    import sympy

    assert sympy.simplify(sympy.nsimplify(TreeLoss(expression).expression() - twin.expression())) == 0
