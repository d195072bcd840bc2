"""Every loss of the literature against its paper's formula, of classes and of yes or no, and what all must do."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from glo_lightning.errors import LossError
from glo_lightning.export import write_module
from glo_lightning.losses import ClassAwareLoss, KnownLoss, Loss, find_loss, known_losses
from glo_lightning.theory import startup_drive
from tests.losses.contract import evaluate

C, N = 5, 40
COUNTS = [400, 120, 50, 9, 2]
LOGITS = 3.0 * torch.randn(N, C, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(C, (N,), generator=torch.Generator().manual_seed(1))
H, Y = LOGITS.softmax(-1), functional.one_hot(TARGET, C).double()
P = (H * Y).sum(-1)
YES = TARGET.remainder(2).double().unsqueeze(-1)
ONE_LOGIT = LOGITS[:, :1]
S = ONE_LOGIT.sigmoid()
R = torch.where(YES == 1.0, S, 1.0 - S).squeeze(-1)

Formulas = dict[str, Callable[[], Tensor]]
"""Losses of each sample or, of overlap, of the batch."""

FORMULAS: Formulas = {
    "cross_entropy": lambda: -P.log(),
    "label_smoothing": lambda: functional.cross_entropy(LOGITS, TARGET, reduction="none", label_smoothing=0.1),
    "focal": lambda: -((1.0 - P) ** 2) * P.log(),
    "poly": lambda: -P.log() + 1.0 - P,
    "mean_squared_error": lambda: ((H - Y) ** 2).sum(-1),
    "mean_absolute_error": lambda: (H - Y).abs().sum(-1),
    "generalised_cross_entropy": lambda: (1.0 - P**0.7) / 0.7,
    "symmetric_cross_entropy": lambda: -0.1 * P.log() + 4.0 * (1.0 - P),
    "active_passive": lambda: P.log() / H.log().sum(-1) + 4.0 * (1.0 - P),
    "asymmetric_generalised_cross_entropy": lambda: (2.0**2 - (1.0 + P) ** 2) / 2.0,
    "dice": lambda: 1.0 - (2.0 * (H * Y).sum(0) / (H + Y).sum(0)).mean(),
    "tversky": lambda: 1.0 - ((H * Y).sum(0) / (0.3 * H.sum(0) + 0.7 * Y.sum(0))).mean(),
    "logit_adjusted": lambda: functional.cross_entropy(
        LOGITS + (torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)).log(), TARGET, reduction="none"
    ),
    "class_balanced": lambda: -_effective_weights()[TARGET] * P.log(),
    "label_distribution_aware_margin": lambda: functional.cross_entropy(
        LOGITS - Y * 0.5 * (2.0 / torch.tensor(COUNTS, dtype=torch.float64)) ** 0.25, TARGET, reduction="none"
    ),
}

OF_YES_OR_NO: Formulas = {
    "cross_entropy": lambda: functional.binary_cross_entropy_with_logits(ONE_LOGIT, YES, reduction="none")[:, 0],
    "label_smoothing": lambda: functional.binary_cross_entropy(S, 0.9 * YES + 0.05, reduction="none")[:, 0],
    "focal": lambda: sigmoid_focal_loss(ONE_LOGIT, YES, alpha=-1.0, gamma=2.0)[:, 0],
    "poly": lambda: -R.log() + 1.0 - R,
    "mean_squared_error": lambda: 2.0 * (1.0 - R) ** 2,
    "mean_absolute_error": lambda: 2.0 * (1.0 - R),
    "generalised_cross_entropy": lambda: (1.0 - R**0.7) / 0.7,
    "symmetric_cross_entropy": lambda: -0.1 * R.log() + 4.0 * (1.0 - R),
    "active_passive": lambda: R.log() / (R.log() + (1.0 - R).log()) + 4.0 * (1.0 - R),
    "asymmetric_generalised_cross_entropy": lambda: (2.0**2 - (1.0 + R) ** 2) / 2.0,
    "asymmetric": lambda: torch.where(
        YES == 1.0, -S.log(), -((S - 0.05).relu() ** 4) * (1.0 - (S - 0.05).relu()).log()
    )[:, 0],
    "dice": lambda: 1.0 - 2.0 * (S * YES).sum() / (S + YES).sum(),
    "tversky": lambda: 1.0 - (S * YES).sum() / (0.3 * S.sum() + 0.7 * YES.sum()),
}


def _effective_weights() -> Tensor:
    """Inverse effective numbers, to a mean of 1 over them."""
    effective = (1.0 - 0.999 ** torch.tensor(COUNTS, dtype=torch.float64)) / 0.001
    return effective.sum() / (C * effective)


LOSSES = {
    **{name: (known, FORMULAS.get(name)) for name, known in known_losses(C, COUNTS).items()},
    **{
        f"sigmoid {name}": (known, OF_YES_OR_NO.get(name)) for name, known in known_losses(2, outputs="sigmoid").items()
    },
}
every_loss = pytest.mark.parametrize("known", [known for known, _ in LOSSES.values()], ids=LOSSES)


def batch(loss: Loss) -> tuple[Tensor, Tensor]:
    return (ONE_LOGIT, YES) if loss.outputs == "sigmoid" else (LOGITS, TARGET)


def per_sample(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """The loss of each sample called by itself; of overlap, which a batch alone has, of the batch."""
    if not loss.is_separable:
        return loss(logits, target)
    return torch.stack([loss(row, label) for row, label in zip(logits.unsqueeze(1), target.unsqueeze(1), strict=True)])


def within(loss: Loss) -> Loss:
    """The loss that theory and the formula are about: of class-aware losses, the one inside."""
    return loss.loss if isinstance(loss, ClassAwareLoss) else loss


def test_every_formula_is_of_a_loss() -> None:
    assert set(FORMULAS) == set(known_losses(C, COUNTS))
    assert set(OF_YES_OR_NO) == set(known_losses(2, outputs="sigmoid"))


@pytest.mark.parametrize(("known", "formula"), LOSSES.values(), ids=LOSSES)
def test_it_is_its_papers_formula(known: KnownLoss, formula: Callable[[], Tensor]) -> None:
    found, expected = per_sample(known.loss, *batch(known.loss)), formula()
    if not expected.ndim:  # smoothed a little
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@every_loss
def test_theory_knows_how_it_starts(known: KnownLoss) -> None:
    """The gradient at equal outputs is cross-entropy's times drive / C, by autograd, on average over the classes."""
    loss = within(known.loss)
    binary = loss.outputs == "sigmoid"
    num_classes = 2 if binary else C
    if not loss.is_separable:
        with pytest.raises(LossError, match="others in its batch"):
            startup_drive(loss, num_classes)
        return
    logits = torch.zeros((2, 1) if binary else (C, C), dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[0.0], [1.0]], dtype=torch.float64) if binary else torch.arange(C)
    cross_entropy = functional.binary_cross_entropy_with_logits if binary else functional.cross_entropy
    found, reference = (torch.autograd.grad(each(logits, target), logits)[0] for each in (loss, cross_entropy))
    expected = (found / reference).flatten() if binary else (found / reference).diagonal()
    assert startup_drive(loss, num_classes) / num_classes == pytest.approx(float(expected.mean()), rel=1e-9)


@every_loss
def test_stored_it_is_the_same(known: KnownLoss) -> None:
    logits, target = batch(known.loss)
    assert torch.equal(Loss.from_dict(known.loss.to_dict())(logits, target), known.loss(logits, target))


@every_loss
def test_exported_it_is_the_same(known: KnownLoss, tmp_path: Path) -> None:
    path = tmp_path / "found_loss.py"
    path.write_text(write_module(known.loss), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("found_loss", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    logits, target = batch(known.loss)
    torch.testing.assert_close(module.FoundLoss()(logits, target), known.loss(logits, target), rtol=1e-8, atol=1e-9)


@every_loss
def test_its_formula_is_the_same(known: KnownLoss) -> None:
    loss = within(known.loss)
    logits, target = batch(loss)
    h, y = H, Y
    if loss.outputs == "sigmoid":
        h, y = torch.cat([1.0 - S, S], -1), torch.cat([1.0 - YES, YES], -1)
    found = torch.from_numpy(evaluate(loss.formula("python"), {"h": h.numpy(), "y": loss.smooth(y).numpy()}))
    expected = per_sample(loss, logits, target)
    torch.testing.assert_close(found if expected.ndim else found.mean(), expected, rtol=1e-9, atol=1e-11)


@every_loss
def test_symmetric_noise_cannot_mislead_those_that_claim_it(known: KnownLoss) -> None:
    """Summed over all labels, such a loss is the same for every output; of the others, none is."""
    logits, target = batch(known.loss)
    binary = known.loss.outputs == "sigmoid"
    labels = [torch.full_like(target, label) for label in ((0.0, 1.0) if binary else range(C))]
    sums = torch.stack([_alone(known.loss, logits, label) for label in labels]).sum(0)
    assert (float(sums.std()) < 1e-9) is known.is_symmetric


def _alone(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """The loss of each sample as a batch of its own."""
    return torch.stack([loss(row, label) for row, label in zip(logits.unsqueeze(1), target.unsqueeze(1), strict=True)])


def test_a_class_without_samples_is_refused() -> None:
    with pytest.raises(LossError, match="class_counts"):
        known_losses(2, [3, 0])


def test_one_class_is_refused() -> None:
    with pytest.raises(LossError, match="num_classes"):
        known_losses(1)


@pytest.mark.parametrize("asked", [(3, None), (2, [3, 4])])
def test_sigmoid_outputs_are_a_yes_or_no_each(asked: Any) -> None:
    with pytest.raises(LossError, match="num_classes=2"):
        known_losses(*asked, outputs="sigmoid")


def test_numbers_have_losses_of_their_own() -> None:
    with pytest.raises(LossError, match="known_regression_losses"):
        known_losses(2, outputs="real")


def test_families_among_the_known_are_found_by_name() -> None:
    assert find_loss("dice").to_dict() == known_losses(C)["dice"].loss.to_dict()
    assert find_loss("tversky").to_dict() == known_losses(C)["tversky"].loss.to_dict()
    of_yes = known_losses(2, outputs="sigmoid")
    assert find_loss("asymmetric").to_dict() == of_yes["asymmetric"].loss.to_dict()
    assert find_loss("binary_dice").to_dict() == of_yes["dice"].loss.to_dict()
