"""Class-aware losses against what the papers' own formulas give with torch."""

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import ClassAwareLoss, CrossEntropyLoss, DriveLoss, FocalLoss, Loss, TaylorLoss, known_losses
from glo_lightning.theory import trainability
from glo_lightning.training.population.losses import LossStack, structure
from tests.losses.contract import LossContract

COUNTS = [500, 100, 60, 20, 8, 2, 1]
PRIOR = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
LOGITS = torch.randn(30, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3.0
TARGET = torch.randint(7, (30,), generator=torch.Generator().manual_seed(1))


class TestClassAware(LossContract):
    has_elementwise = False  # theory sees the loss inside

    @pytest.fixture
    def logits(self) -> Tensor:
        return torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(7))

    def make(self, **arguments: Any) -> Loss:
        return ClassAwareLoss(FocalLoss(1.0, **arguments), COUNTS, tau=0.7, beta=0.4, margin=0.5)

    def reference(self, loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
        assert isinstance(loss, ClassAwareLoss)
        y = target if target.is_floating_point() else functional.one_hot(target, 7).double()
        adjusted = logits + 0.7 * PRIOR.log() - 0.5 * y * torch.tensor(COUNTS, dtype=torch.float64) ** -0.25
        inside = loss.loss.per_class(adjusted, loss.loss.smooth(y)).sum(-1)
        weights = PRIOR**-0.4 / (PRIOR**0.6).sum()
        return inside * (y * weights).sum(-1)

    test_smoothing_is_a_change_of_labels = None  # weights and margins are of the labels as they are
    test_python_formula_is_the_loss = None  # it is that of the loss inside


def test_it_is_the_loss_inside_where_nothing_is_adjusted() -> None:
    loss = ClassAwareLoss(CrossEntropyLoss(), COUNTS, tau=0.0)
    torch.testing.assert_close(loss(LOGITS, TARGET), functional.cross_entropy(LOGITS, TARGET))


def test_logit_adjustment() -> None:
    """Menon et al., arXiv:2007.07314, equation 10."""
    found = ClassAwareLoss(CrossEntropyLoss(), COUNTS, tau=1.3)(LOGITS, TARGET)
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS + 1.3 * PRIOR.log(), TARGET))


def test_weights_are_torchs_and_average_to_one() -> None:
    loss = ClassAwareLoss(CrossEntropyLoss(reduction="sum"), COUNTS, tau=0.0, beta=1.0)
    expected = functional.cross_entropy(LOGITS, TARGET, weight=1.0 / (7 * PRIOR), reduction="sum")
    torch.testing.assert_close(loss(LOGITS, TARGET), expected)
    everybody = torch.repeat_interleave(torch.arange(7), torch.tensor(COUNTS))
    even = ClassAwareLoss(CrossEntropyLoss(), COUNTS, tau=0.0, beta=0.6)(torch.zeros(len(everybody), 7), everybody)
    assert float(even) == pytest.approx(math.log(7.0), rel=1e-5)


def test_margins_are_those_of_label_distribution_aware_margin_loss() -> None:
    """Cao et al., arXiv:1906.07413, equation 13, with margins C / n^(1/4)."""
    margins = 0.5 * torch.tensor(COUNTS, dtype=torch.float64) ** -0.25
    moved = torch.where(functional.one_hot(TARGET, 7) == 1, LOGITS - margins, LOGITS)
    found = ClassAwareLoss(CrossEntropyLoss(), COUNTS, tau=0.0, margin=0.5)(LOGITS, TARGET)
    torch.testing.assert_close(found, functional.cross_entropy(moved, TARGET))


def test_positions() -> None:
    maps, labels = LOGITS.view(5, 6, 7).movedim(-1, 1), TARGET.view(5, 6)
    loss = ClassAwareLoss(CrossEntropyLoss(), COUNTS)
    torch.testing.assert_close(loss(maps, labels), loss(LOGITS, TARGET))


@pytest.mark.parametrize("target", [torch.tensor([0]), torch.tensor([[0.75, 0.25, 0.0]])], ids=["hard", "soft"])
def test_a_masked_class_costs_nothing(target: Tensor) -> None:
    logits = torch.tensor([[1.0, 0.0, -torch.inf]], requires_grad=True)
    loss = ClassAwareLoss(CrossEntropyLoss(), [5, 3, 2], beta=1.0, margin=0.5)
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient[0, 2] == 0.0


def test_theory_judges_the_shape_inside() -> None:
    for inside in (CrossEntropyLoss(), DriveLoss(1.0, 0.7, num_classes=7)):
        assert trainability(ClassAwareLoss(inside, COUNTS), 7) == trainability(inside, 7)


def test_a_population_computes_them_together() -> None:
    losses = [
        ClassAwareLoss(DriveLoss(1.0 + k, 0.3 * k, num_classes=7), COUNTS, tau=k, beta=0.5 * k, margin=k)
        for k in (0.0, 1.0, 2.0)
    ]
    assert structure(losses[0]) == structure(losses[2])
    assert structure(losses[0]) != structure(ClassAwareLoss(DriveLoss(num_classes=7), COUNTS[::-1]))
    logits = LOGITS.expand(3, -1, -1)
    found, gradients = LossStack(losses, torch.device("cpu")).differentiate(logits, TARGET, shared=True)
    for number, loss in enumerate(losses):
        own = LOGITS.clone().requires_grad_()
        value = loss(own, TARGET)
        torch.testing.assert_close(found[number], value.detach())
        torch.testing.assert_close(gradients[number], torch.autograd.grad(value, own)[0])


def test_taylor_losses_of_other_theta_share_a_structure() -> None:
    one, other = (ClassAwareLoss(TaylorLoss([float(k)] * 8), COUNTS) for k in (1, 2))
    assert structure(one) == structure(other)


BAD: dict[str, dict[str, Any]] = {
    "none of a class": {"class_counts": [3, 0]},
    "one class": {"class_counts": [3]},
    "negative": {"class_counts": [3, -1]},
    "nan": {"class_counts": [3, math.nan]},
    "text": {"class_counts": ["3", "4"]},
    "tau": {"class_counts": [3, 4], "tau": math.inf},
    "beta": {"class_counts": [3, 4], "beta": math.nan},
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_numbers_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(LossError):
        ClassAwareLoss(CrossEntropyLoss(), **arguments)


def test_counts_may_be_what_torch_and_numpy_count() -> None:
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    expected = ClassAwareLoss(CrossEntropyLoss(), [2, 1, 3]).to_dict()
    counts: Any
    for counts in (torch.bincount(labels), np.bincount(labels.numpy()), list(np.bincount(labels.numpy()))):
        loss = ClassAwareLoss(CrossEntropyLoss(), counts)
        assert json.loads(json.dumps(loss.to_dict())) == json.loads(json.dumps(expected))
        known = known_losses(3, counts)["logit_adjusted"].loss
        assert isinstance(known, ClassAwareLoss)
        assert known.class_counts == (2, 1, 3)


def test_known_losses_want_counts_of_all_classes() -> None:
    for wrong in ([2, 1], ["2", "1", "3"], [2, 1, 0]):
        with pytest.raises(LossError, match="class_counts"):
            known_losses(3, wrong)  # type: ignore[arg-type]


def test_logits_of_other_classes_are_refused() -> None:
    with pytest.raises(LossError, match="7 classes"):
        ClassAwareLoss(CrossEntropyLoss(), COUNTS)(torch.zeros(2, 5), torch.tensor([0, 1]))


@pytest.mark.parametrize("style, shown", [("unicode", "f − 0.5·log π + 2·y"), ("latex", r"f - 0.5 \log \pi + 2\, n_T")])
def test_signs_stand_before_their_numbers(style: Any, shown: str) -> None:
    loss = ClassAwareLoss(CrossEntropyLoss(), [5, 3, 1], tau=-0.5, beta=-0.25, margin=-2.0)
    assert shown in loss.formula(style)
    assert "(0.25)" in loss.formula("unicode")
