"""Losses share a key exactly when they train identically."""

import pytest
import torch

from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
)
from glo_lightning.theory import behaviour_key
from glo_lightning.theory.behaviour import ignores_label

PAIRS = [
    (CrossEntropyLoss(), TreeLoss("y * log(h)")),
    (CrossEntropyLoss(), TreeLoss("y * log(h) + 3 * h - square(y)")),
    (CrossEntropyLoss(), TreeLoss("square(y) * (log(h * h) / 2)")),
    (CrossEntropyLoss(label_smoothing=0.1), TreeLoss("y * log(h) - 7", label_smoothing=0.1)),
    (BaikalLoss(), TreeLoss("log(h) - y / h")),
    (MeanSquaredErrorLoss(), TreeLoss("-square(h - y)")),
    (MeanSquaredErrorLoss(), TreeLoss("h * (y + y - h)")),
    (MeanSquaredErrorLoss(), TaylorLoss([0.0, 0.0, 40.0, -2.0, 0.0, 2.0, 0.0, 0.0])),
]
STRANGERS = [
    CrossEntropyLoss(),
    CrossEntropyLoss(label_smoothing=0.01),
    MeanSquaredErrorLoss(),
    BaikalLoss(),
    ScaledLoss(CrossEntropyLoss(), 1.001),
    TreeLoss("y * log(h) + square(h) / 1000"),
    TreeLoss("h"),
    TreeLoss("log(h - y)"),
    TreeLoss("log(y - h)"),
]


def weights_after_training(loss: Loss) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    target = torch.arange(40) % 4
    weights = (torch.randn(6, 4, generator=generator, dtype=torch.float64) / 2).requires_grad_()
    for _ in range(20):
        (gradient,) = torch.autograd.grad(loss(inputs @ weights, target), weights)
        weights = (weights - 0.002 * gradient).detach().requires_grad_()
    return weights.detach()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_losses_with_one_key_train_identically(one, other):
    assert behaviour_key(one, 4) == behaviour_key(other, 4)
    torch.testing.assert_close(weights_after_training(one), weights_after_training(other), rtol=1e-9, atol=1e-10)


def test_different_losses_have_different_keys():
    assert len({behaviour_key(loss, 10) for loss in STRANGERS}) == len(STRANGERS)


@pytest.mark.parametrize("factor", [1e-6, 0.5, 3.0, 1e6])
def test_scale_counts_unless_left_out(factor):
    loss = BaikalLoss()
    scaled = ScaledLoss(loss, factor)
    assert behaviour_key(loss, 10) != behaviour_key(scaled, 10)
    assert behaviour_key(loss, 10, modulo_scale=True) == behaviour_key(scaled, 10, modulo_scale=True)
    opposite = ScaledLoss(loss, -factor)
    assert behaviour_key(loss, 10, modulo_scale=True) != behaviour_key(opposite, 10, modulo_scale=True)


def test_gammas_that_differ_by_a_constant_share_a_key():
    assert behaviour_key(TreeLoss("h + y"), 10) == behaviour_key(TreeLoss("y - 3 * h"), 10)


@pytest.mark.parametrize(
    ("expression", "ignored"),
    [
        ("h + y", True),
        ("y * y", True),
        ("log(h) + y - y", True),
        ("sqrt(sqrt(h) / (y + h - y))", True),
        ("y * h", False),
        ("log(h - y)", False),
        ("h + y * h / 1000", False),
    ],
)
def test_a_loss_may_ignore_the_label(expression, ignored):
    assert ignores_label(TreeLoss(expression), 10) is ignored
