"""Losses of standardised targets and predictions, against torch and the loss inside."""

import json
from typing import Any

import pytest
import torch
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    ResidualLoss,
    ScaledLoss,
    SigmoidLoss,
    StandardizedLoss,
    TaylorLoss,
    TreeLoss,
    mean_squared_error_taylor,
)
from glo_lightning.losses.promises import with_reduction
from glo_lightning.theory import influence
from tests.losses.contract import evaluate

GENERATOR = torch.Generator().manual_seed(0)
F, Y = (150.0 + 80.0 * torch.randn(30, 2, dtype=torch.float64, generator=GENERATOR) for _ in range(2))
THETA = torch.randn(8, generator=GENERATOR).tolist()
MEAN, SIGMA = 152.0, 77.0


def test_of_the_squared_error_it_makes_torchs() -> None:
    for scale in ((MEAN, SIGMA), ([150.0, 140.0], [77.0, 3.0])):
        torch.testing.assert_close(StandardizedLoss(MeanSquaredErrorLoss(), *scale)(F, Y), functional.mse_loss(F, Y))


def test_the_expansion_of_the_squared_error_has_its_gradient() -> None:
    loss = StandardizedLoss(mean_squared_error_taylor(3), MEAN, SIGMA)
    found, expected = (torch.func.grad(each)(F, Y) for each in (loss, functional.mse_loss))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_the_loss_inside_of_standardised_numbers(reduction: Any) -> None:
    inside = TaylorLoss(THETA, reduction=reduction)
    h, y = (F - MEAN) / SIGMA, (Y - MEAN) / SIGMA
    values = SIGMA**2 * inside.elementwise(h, y)
    expected = {"mean": values.mean(), "sum": values.sum(), "none": values}[reduction]
    loss = StandardizedLoss(inside, MEAN, SIGMA)
    torch.testing.assert_close(loss(F, Y), expected)
    torch.testing.assert_close(
        with_reduction(StandardizedLoss(TaylorLoss(THETA), MEAN, SIGMA), reduction)(F, Y), expected
    )
    torch.testing.assert_close(
        loss(F[:, 0], Y[:, 0]), expected[:, 0] if reduction == "none" else loss(F[:, :1], Y[:, :1])
    )


def test_gamma_is_the_force_on_the_prediction() -> None:
    loss = StandardizedLoss(TaylorLoss(THETA, reduction="sum"), MEAN, SIGMA)
    torch.testing.assert_close(loss.gamma(F, Y), -torch.func.grad(loss)(F, Y))
    r = torch.linspace(-3.0, 3.0, 7, dtype=torch.float64)
    at_mean = torch.full_like(r, MEAN)
    torch.testing.assert_close(SIGMA * influence(loss, r), -loss.gamma(MEAN + SIGMA * r, at_mean))


def test_derivatives_and_vmap() -> None:
    loss = StandardizedLoss(TaylorLoss(THETA), MEAN, SIGMA)
    f = F[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, Y[:3]), f, rtol=1e-4)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, Y[:3]), f, rtol=1e-4)
    batches = torch.stack([F, F + 1.0])
    found = torch.vmap(torch.func.grad(loss), in_dims=(0, None))(batches, Y)
    torch.testing.assert_close(found, torch.stack([torch.func.grad(loss)(batch, Y) for batch in batches]))


def test_stored_form_and_formula() -> None:
    for loss in (
        StandardizedLoss(TaylorLoss(THETA), MEAN, SIGMA),
        StandardizedLoss(TreeLoss("square(h - y)"), 1.0, 2.0),
    ):
        again = Loss.from_dict(json.loads(json.dumps(loss.to_dict())))
        assert torch.equal(again(F, Y), loss(F, Y))
        for each in (loss, ScaledLoss(loss, 0.3)):
            f, y = F.flatten(), Y.flatten()
            found = evaluate(each.formula("python"), {"f": f.numpy(), "y": y.numpy()})
            torch.testing.assert_close(torch.from_numpy(found), with_reduction(each, "none")(f, y))
            assert each.formula("latex").count("{") == each.formula("latex").count("}")
            assert "ᵢ" not in each.formula()
    assert StandardizedLoss(TaylorLoss(THETA), -0.19, 2.0).formula().endswith("h = (f + 0.19)/2, y likewise")
    several = StandardizedLoss(TaylorLoss(THETA), [1.0, 2.0], [3.0, 4.0])
    assert "h = (f − μ)/σ" in several.formula()
    with pytest.raises(LossError, match="Export it"):
        several.formula("python")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StandardizedLoss(ResidualLoss()), "a loss of classes inside StandardizedLoss"),
        (lambda: StandardizedLoss(SigmoidLoss(CrossEntropyLoss())), "SigmoidLoss out"),
        (lambda: StandardizedLoss(TaylorLoss(THETA, label_smoothing=0.1)), "label smoothing"),
        (lambda: StandardizedLoss(TaylorLoss(THETA, inputs=("y", "f"))), "unscaled logits f"),
        (lambda: StandardizedLoss(MeanSquaredErrorLoss(), 0.0, 0.0), "sigma above 0"),
        (lambda: StandardizedLoss(MeanSquaredErrorLoss(), 0.0, [1.0, 2.0]), "a mean for each sigma"),
        (lambda: StandardizedLoss(MeanSquaredErrorLoss(), float("nan")), "finite number for mean"),
        (lambda: StandardizedLoss(MeanSquaredErrorLoss())(F, Y[:, :1]), "one output for each number"),
        (lambda: StandardizedLoss(MeanSquaredErrorLoss(), [0.0] * 3, [1.0] * 3)(F, Y), r"shape \(N, 3\)"),
    ],
)
def test_what_means_nothing_here_is_refused(make: Any, words: str) -> None:
    with pytest.raises(LossError, match=words):
        make()
