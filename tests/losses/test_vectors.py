"""Loss, gradient, gamma and coefficients of the reference vectors, which come from 60-digit arithmetic."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    TaylorLoss,
    label_distribution,
)

CASES = json.loads((Path(__file__).parent / "vectors.json").read_text())["cases"]
CLASSIC = {
    "mse": MeanSquaredErrorLoss,
    "cross_entropy": CrossEntropyLoss,
    "baikal": BaikalLoss,
    "baikal_cma": BaikalCMALoss,
}
TOLERANCES = {torch.float64: {"rtol": 1e-9, "atol": 1e-12}, torch.float32: {"rtol": 1e-5, "atol": 1e-5}}


def build(case: dict[str, Any], **arguments: Any) -> Loss:
    arguments = {"class_reduction": "mean", "label_smoothing": case["label_smoothing"], **arguments}
    if case["loss"] in CLASSIC:
        return CLASSIC[case["loss"]](**arguments)
    params = case["params"]
    loss = TaylorLoss(
        params["center"] + params["coefficients"],
        params["order"],
        ("y", "h", "t")[: params.get("inputs", 2)],
        folded=params["factorials"] == "folded",
        **arguments,
    )
    loss.progress = params.get("progress", 0.0)
    return loss


def labels(case: dict[str, Any], dtype: torch.dtype) -> Tensor:
    if "hard" in case["labels"]:
        return torch.tensor(case["labels"]["hard"])
    return torch.tensor(case["labels"]["soft"], dtype=dtype)


@pytest.fixture(params=CASES, ids=[f"{case['id']}-{case['loss']}" for case in CASES])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(params=TOLERANCES, ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def assert_equal(found: Tensor, expected: Any, dtype: torch.dtype) -> None:
    """Compare within the dtype's tolerance, which in single precision is relative to the largest entry."""
    target, tolerance = torch.tensor(expected, dtype=torch.float64), dict(TOLERANCES[dtype])
    if dtype == torch.float32:
        tolerance["atol"] *= float(target.abs().max())
    torch.testing.assert_close(found.double(), target, **tolerance)


def test_all_cases_are_here() -> None:
    assert len(CASES) == 40


@pytest.mark.parametrize("path", ["fused", "per_class", "transformed"])
def test_loss_and_gradient(case: dict[str, Any], dtype: torch.dtype, path: str) -> None:
    loss, target = build(case), labels(case, dtype)
    logits = torch.tensor(case["logits"], dtype=dtype, requires_grad=True)
    if path == "fused":
        value = loss(logits, target)
        value.backward()
        gradient = logits.grad
    elif path == "per_class":
        y = loss.smooth(label_distribution(logits, target))
        value = loss.per_class(logits, y).mean(-1).mean()
        value.backward()
        gradient = logits.grad
    else:
        gradient, value = torch.func.grad_and_value(loss)(logits.detach(), target)
    assert_equal(value.detach(), case["expected"]["loss"], dtype)
    assert_equal(gradient, case["expected"]["grad_logits"], dtype)


def test_loss_per_sample(case: dict[str, Any], dtype: torch.dtype) -> None:
    found = build(case, reduction="none")(torch.tensor(case["logits"], dtype=dtype), labels(case, dtype))
    assert_equal(found, case["expected"]["loss_per_sample"], dtype)


def test_gamma(case: dict[str, Any]) -> None:
    loss, logits = build(case), torch.tensor(case["logits"], dtype=torch.float64)
    y = loss.smooth(label_distribution(logits, labels(case, torch.float64)))
    assert_equal(loss.gamma(logits.softmax(-1), y), case["expected"]["gamma"], torch.float64)


@pytest.mark.parametrize("case", [case for case in CASES if case["loss"] == "taylor"], ids=lambda case: case["id"])
def test_gamma_coefficients(case: dict[str, Any]) -> None:
    found = build(case).gamma_coefficients()
    expected = torch.zeros_like(found)
    for powers, value in case["expected"]["gamma_coefficients"].items():
        expected[tuple(map(int, powers.split(",")))] = value
    torch.testing.assert_close(found, expected, **TOLERANCES[torch.float64])


@pytest.mark.parametrize("case", [case for case in CASES if "c" in case["expected"]], ids=lambda case: case["id"])
def test_third_order_coefficients(case: dict[str, Any]) -> None:
    found = build(case).gamma_coefficients()
    position = {"c1": (0, 0), "ch": (1, 0), "chh": (2, 0), "chy": (1, 1), "cy": (0, 1), "cyy": (0, 2)}
    for name, expected in case["expected"]["c"].items():
        assert found[position[name]].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
