"""Cross-entropy as people tune it, against torch."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.losses import CrossEntropyLoss, Loss
from glo_lightning.search.spaces.rival import MOST, RivalSpace

LOGITS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.tensor([0, 0, 0, 1, 1, 2, 0, 1])
COUNTS = (70, 20, 10)


def _gradient(loss: Loss | object, target: Tensor) -> Tensor:
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)  # type: ignore[operator]
    return gradient


@pytest.mark.parametrize("counts", [(), COUNTS])
def test_it_starts_at_cross_entropy(counts: tuple[int, ...]) -> None:
    space = RivalSpace("softmax", counts)
    loss = space.build(dict(zip(space.distributions, space.cross_entropy, strict=True)))
    torch.testing.assert_close(_gradient(loss, TARGET), _gradient(CrossEntropyLoss(), TARGET))


@pytest.mark.parametrize(("smoothing", "expected"), [(0.3, 0.3), (-2.0, 0.0), (7.0, MOST)])
def test_smoothing_is_torchs(smoothing: float, expected: float) -> None:
    loss = RivalSpace().build({"smoothing": smoothing})
    torch.testing.assert_close(loss(LOGITS, TARGET), functional.cross_entropy(LOGITS, TARGET, label_smoothing=expected))


def test_tau_adjusts_logits_and_beta_weighs_classes() -> None:
    prior = torch.tensor(COUNTS, dtype=torch.float64) / 100
    loss = RivalSpace("softmax", COUNTS).build({"smoothing": 0.0, "tau": 1.5, "beta": 0.5})
    weights = prior**-0.5 / (prior**0.5).sum()
    expected = functional.cross_entropy(LOGITS + 1.5 * prior.log(), TARGET, weights, reduction="sum") / len(TARGET)
    torch.testing.assert_close(loss(LOGITS, TARGET), expected)


@pytest.mark.parametrize("weight", [0.2, 3.0])
def test_positives_weigh_as_torchs_do_up_to_a_factor_of_the_learning_rate(weight: float) -> None:
    labels = functional.one_hot(TARGET, 3).double()
    loss = RivalSpace("sigmoid").build({"smoothing": 0.0, "log_pos_weight": math.log(weight)})
    torchs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight, dtype=torch.float64))
    ratio = _gradient(loss, labels) / _gradient(torchs, labels)
    assert float(ratio.std()) == pytest.approx(0.0, abs=1e-6)
    assert 0.1 < float(ratio.mean()) < 10.0


def test_it_is_told_in_words() -> None:
    told = RivalSpace("sigmoid").describe({"learning_rate_factor": 2.0, "smoothing": -1.0, "log_pos_weight": 0.0})
    assert told == "learning rate × 2, label smoothing 0, weight of positives × 1"


@pytest.mark.parametrize("log_delta", [-1.0, 0.0, 2.0])
def test_of_numbers_it_is_torchs_huber_in_units_of_the_targets(log_delta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    predictions, targets = torch.randn(2, 50, 1, generator=generator, dtype=torch.float64).mul(5.0)
    loss = RivalSpace("real", sigma=2.0).build({"log_delta": log_delta})
    expected = functional.huber_loss(predictions, targets, delta=2.0 * math.exp(log_delta))
    torch.testing.assert_close(loss(predictions, targets), expected)
    assert RivalSpace("real").describe({"learning_rate_factor": 1.0, "log_delta": 0.0}) == "learning rate × 1, delta 1"
