"""Losses of overlap: the contract, torchmetrics' scores of certain outputs, and the formulas as printed."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_fbeta_score, multiclass_jaccard_index
from torchmetrics.functional.segmentation import dice_score

from glo_lightning.errors import LossError
from glo_lightning.losses import Loss, SigmoidLoss, TverskyLoss, TwoSidedLoss
from glo_lightning.theory import drive, summarize
from tests.losses.contract import LossContract


class TestDice(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TverskyLoss(**{"class_reduction": "sum", **arguments})


class TestTversky(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return TverskyLoss(0.3, 0.7, 1e-2, **{"class_reduction": "sum", **arguments})


C = 4
GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.randint(C, (3, 8, 8), generator=GENERATOR)
PREDICTED = torch.where(torch.rand(3, 8, 8, generator=GENERATOR) < 0.7, LABELS, 0)
CERTAIN = 1e3 * functional.one_hot(PREDICTED, C).movedim(-1, 1).double()
SMOOTHING = 1e-12


def flat(labels: Tensor) -> Tensor:
    """All positions of a batch as one image, for libraries that score each by itself."""
    return functional.one_hot(labels.flatten(), C).T.unsqueeze(0)


def test_of_certain_outputs_it_is_torchmetrics_dice() -> None:
    score = dice_score(flat(PREDICTED), flat(LABELS), num_classes=C, average="macro", input_format="one-hot")
    found = TverskyLoss(smoothing=SMOOTHING)(CERTAIN, LABELS)
    torch.testing.assert_close(1.0 - found, score[0], check_dtype=False)


def test_of_certain_outputs_it_is_torchmetrics_jaccard() -> None:
    score = multiclass_jaccard_index(PREDICTED, LABELS, num_classes=C)
    found = TverskyLoss(1.0, 1.0, SMOOTHING)(CERTAIN, LABELS)
    torch.testing.assert_close(1.0 - found, score, check_dtype=False)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_of_certain_outputs_it_is_torchmetrics_f_beta(beta: float) -> None:
    score = multiclass_fbeta_score(PREDICTED, LABELS, beta, num_classes=C, average="none")
    share = 1.0 / (1.0 + beta**2)
    found = TverskyLoss(share, 1.0 - share, SMOOTHING, class_reduction="sum")(CERTAIN, LABELS)
    torch.testing.assert_close(C - found, score.sum(), check_dtype=False)


@pytest.mark.parametrize("soft", [False, True])
def test_it_is_the_index_of_sums_over_the_batch(soft: bool) -> None:
    logits = torch.randn(3, C, 8, 8, dtype=torch.float64, generator=GENERATOR)
    y = torch.randn(3, C, 8, 8, dtype=torch.float64, generator=GENERATOR).softmax(1)
    y = y if soft else functional.one_hot(LABELS, C).movedim(-1, 1).double()
    h, smooth = logits.softmax(1), 2.0
    hit, false, missed = ((a * b).sum((0, 2, 3)) for a, b in ((h, y), (h, 1.0 - y), (1.0 - h, y)))
    index = (hit + smooth) / (hit + 0.3 * false + 0.7 * missed + smooth)
    loss = TverskyLoss(0.3, 0.7, smooth / (3 * 8 * 8))
    torch.testing.assert_close(loss(logits, y if soft else LABELS), (1.0 - index).mean())


def test_of_masks_the_yes_alone_counts() -> None:
    logits, labels = torch.randn(2, 1, 6, 6, generator=GENERATOR), torch.rand(2, 1, 6, 6, generator=GENERATOR).round()
    p = logits.sigmoid()
    expected = 1.0 - 2.0 * (p * labels).sum() / (p.sum() + labels.sum())
    found = SigmoidLoss(TwoSidedLoss(TverskyLoss(smoothing=SMOOTHING, class_reduction="sum")))(logits, labels)
    torch.testing.assert_close(found, expected)


def test_a_class_that_is_missing_costs_next_to_nothing() -> None:
    logits = torch.tensor([[20.0, 0.0, -20.0]] * 6, dtype=torch.float64, requires_grad=True)
    loss = TverskyLoss()(logits, torch.zeros(6, dtype=torch.int64))
    loss.backward()
    assert loss < 1e-3
    assert logits.grad.abs().max() < 1e-3


def test_theory_refuses_it() -> None:
    for loss in (TverskyLoss(), SigmoidLoss(TwoSidedLoss(TverskyLoss()))):
        assert not loss.is_separable
        for ask in (lambda loss=loss: summarize(loss, 2), lambda loss=loss: drive(loss, 0.5, 2)):
            with pytest.raises(LossError, match="others in its batch"):
                ask()


@pytest.mark.parametrize("arguments", [{"alpha": -1.0}, {"alpha": 0.0, "beta": 0.0}, {"smoothing": 0.0}])
def test_bad_numbers_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(LossError):
        TverskyLoss(**arguments)
