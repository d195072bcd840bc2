"""Normalised plus reverse cross-entropy, against the papers' formulas and the symmetry they claim."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import ActivePassiveLoss, Loss
from glo_lightning.theory import startup_drive
from tests.losses.contract import LossContract

LOGITS = 3.0 * torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(6, (20,), generator=torch.Generator().manual_seed(1))


class TestActivePassive(LossContract):
    has_elementwise = False

    def make(self, **arguments: Any) -> Loss:
        return ActivePassiveLoss(0.7, 1.3, **arguments)


def test_it_is_the_papers_sum() -> None:
    log_h, y = LOGITS.log_softmax(-1), functional.one_hot(TARGET, 6)
    normalised = functional.nll_loss(log_h, TARGET, reduction="none") / -log_h.sum(-1)
    reverse = -(log_h.exp() * torch.where(y == 1, 0.0, -4.0)).sum(-1)  # log 0 taken as -4
    found = ActivePassiveLoss(0.7, 1.3)(LOGITS, TARGET)
    torch.testing.assert_close(found, (0.7 * normalised + 1.3 * reverse).mean())


def test_summed_over_all_labels_it_is_the_same_for_every_output() -> None:
    """What makes a loss tolerant of symmetric noise (Ghosh et al., arXiv:1712.09482, theorem 1)."""
    loss = ActivePassiveLoss(0.7, 1.3, reduction="none")
    sums = torch.stack([loss(LOGITS, torch.full((20,), label)) for label in range(6)]).sum(0)
    torch.testing.assert_close(sums, torch.full((20,), 0.7 + 1.3 * 4.0 * 5.0, dtype=torch.float64))


def test_it_starts_downhill() -> None:
    """The gradient at equal outputs, from autograd."""
    logits = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ActivePassiveLoss()(logits, torch.tensor([2])), logits)
    assert startup_drive(ActivePassiveLoss(), 6) == pytest.approx(-float(slope[0, 2]) * 36 / 5)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(LossError, match="alpha"):
        ActivePassiveLoss(math.nan)
