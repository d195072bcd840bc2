"""Every null epoch, verdict, attraction and canonical form of the reference vectors (60-digit arithmetic)."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    TaylorLoss,
)
from glo_lightning.theory import (
    attraction,
    canonical,
    gamma_polynomials,
    null_epoch,
    sample_attraction,
    trainability,
)
from tests.theory.printed import printed_attraction

CASES = json.loads((Path(__file__).parent.parent / "losses" / "vectors.json").read_text())["cases"]
FIXED = {
    "mse": MeanSquaredErrorLoss,
    "cross_entropy": CrossEntropyLoss,
    "baikal": BaikalLoss,
    "baikal_cma": BaikalCMALoss,
}
close = pytest.approx


def build(case: dict[str, Any]) -> Loss:
    if case["loss"] in FIXED:
        return FIXED[case["loss"]](label_smoothing=case["label_smoothing"])
    params = case["params"]
    loss = TaylorLoss(
        params["center"] + params["coefficients"],
        params["order"],
        inputs=("y", "h", "t")[: params.get("inputs", 2)],
        folded=params["factorials"] == "folded",
        label_smoothing=case["label_smoothing"],
    )
    loss.progress = params.get("progress", 0.0)
    return loss


@pytest.fixture(params=CASES, ids=lambda case: case["id"])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_null_epoch(case: dict[str, Any]) -> None:
    found, expected = null_epoch(build(case), case["n"]), case["expected"]["null"]
    assert found.undefined == ""
    assert found.gamma_target == close(expected["gamma_target"], rel=1e-9, abs=1e-12)
    assert found.gamma_nontarget == close(expected["gamma_nontarget"], rel=1e-9, abs=1e-12)
    assert found.drive == close(expected["d0"], rel=1e-9, abs=1e-12)
    assert found.curvature == close(expected["curv"], rel=1e-9, abs=1e-12)
    if expected["ratio"] is not None:
        assert found.ratio == close(expected["ratio"], rel=1e-9)


def test_null_epoch_from_logits_alone(case: dict[str, Any]) -> None:
    loss, expected = build(case), case["expected"]["null"]
    found = null_epoch(lambda logits, target: loss(logits, target), case["n"])
    scale = abs(expected["gamma_target"]) + abs(expected["gamma_nontarget"]) + abs(expected["curv"])
    assert found.drive == close(expected["d0"], rel=1e-8, abs=1e-10 * scale)
    assert found.curvature == close(expected["curv"], rel=1e-8, abs=1e-9 * scale)


def test_verdicts(case: dict[str, Any]) -> None:
    expected = case["expected"]["verdict"]
    verdict = trainability(build(case), case["n"], kappa=0.5)
    assert verdict.paper == expected["paper"]["trainable"]
    paper_margin = expected["paper"]["lhs"] - expected["paper"]["rhs"]
    assert verdict.paper_margin == close(paper_margin, rel=1e-9, abs=1e-9 * abs(expected["paper"]["rhs"]))
    assert verdict.exact == expected["exact"]
    assert verdict.stable == expected["stable_half"]
    assert trainability(build(case), case["n"], kappa=0.0).stable == expected["stable_strict"]


def test_attraction(case: dict[str, Any]) -> None:
    loss, num_classes = build(case), case["n"]
    for row in case["expected"]["attraction"]:
        epsilon, step = row["eps"], row["step"]
        change = attraction(loss, epsilon, num_classes, step).item()
        assert change == close(row["change_exact"], rel=1e-9, abs=1e-12)
        printed = printed_attraction(loss, epsilon, num_classes, step).item()
        assert printed == close(row["change_printed"], rel=1e-9, abs=1e-12)

        h = torch.full((1, num_classes), epsilon / (num_classes - 1), dtype=torch.float64)
        h[0, 1] = 1.0 - epsilon
        change = sample_attraction(loss, h.log(), torch.tensor([1]), step).item()
        assert change == close(row["change_exact"], rel=1e-9, abs=1e-12)


TAYLOR = [case for case in CASES if "gamma_coefficients" in case["expected"]]


@pytest.mark.parametrize("case", TAYLOR, ids=lambda case: case["id"])
def test_gamma_polynomials(case: dict[str, Any]) -> None:
    num_classes, alpha = case["n"], case["label_smoothing"]
    found = gamma_polynomials(build(case), num_classes)
    labels = (alpha / num_classes, 1.0 - alpha + alpha / num_classes)
    for polynomial, y in zip(found, labels, strict=True):
        expected = [0.0] * len(polynomial)
        for exponents, value in case["expected"]["gamma_coefficients"].items():
            j, m = map(int, exponents.split(","))
            expected[j] += value * y**m
        scale = sum(abs(value) for value in case["expected"]["gamma_coefficients"].values())
        assert polynomial == close(expected, rel=1e-9, abs=1e-12 * scale)


CANONICAL = [case for case in TAYLOR if "canonical4" in case["expected"]]


@pytest.mark.parametrize("case", CANONICAL, ids=lambda case: case["id"])
def test_canonical_form(case: dict[str, Any]) -> None:
    unsmoothed = build({**case, "label_smoothing": 0.0})
    ch, chh, chy, c_label = case["expected"]["canonical4"]
    assert canonical(unsmoothed).parameters == close((ch, chh, c_label, chy), rel=1e-9, abs=1e-12)
