"""Every loss of the literature against its paper's formula, and what all losses must do."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.export import write_module
from glo_lightning.losses import KnownLoss, Loss, known_losses
from glo_lightning.theory import startup_drive
from tests.losses.contract import evaluate

C, N = 5, 40
COUNTS = [400, 120, 50, 9, 2]
LOGITS = 3.0 * torch.randn(N, C, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(C, (N,), generator=torch.Generator().manual_seed(1))
H, Y = LOGITS.softmax(-1), functional.one_hot(TARGET, C).double()
P = (H * Y).sum(-1)
LOSSES = known_losses(C, COUNTS)

FORMULAS: dict[str, Callable[[], Tensor]] = {
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
    "logit_adjusted": lambda: functional.cross_entropy(
        LOGITS + (torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)).log(), TARGET, reduction="none"
    ),
    "class_balanced": lambda: -_effective_weights()[TARGET] * P.log(),
    "label_distribution_aware_margin": lambda: functional.cross_entropy(
        LOGITS - Y * 0.5 * (2.0 / torch.tensor(COUNTS, dtype=torch.float64)) ** 0.25, TARGET, reduction="none"
    ),
}


def _effective_weights() -> Tensor:
    """Inverse effective numbers, to a mean of 1 over them."""
    effective = (1.0 - 0.999 ** torch.tensor(COUNTS, dtype=torch.float64)) / 0.001
    return effective.sum() / (C * effective)


every_loss = pytest.mark.parametrize("known", LOSSES.values(), ids=LOSSES)


def per_sample(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    return torch.stack([loss(row, label) for row, label in zip(logits.unsqueeze(1), target.unsqueeze(1), strict=True)])


def test_every_loss_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_its_papers_formula(name: str) -> None:
    torch.testing.assert_close(per_sample(LOSSES[name].loss, LOGITS, TARGET), FORMULAS[name](), rtol=1e-9, atol=1e-11)


@every_loss
def test_theory_knows_how_it_starts(known: KnownLoss) -> None:
    """The gradient at equal outputs is cross-entropy's times drive / C, by autograd; of class-aware losses, inside."""
    loss = getattr(known.loss, "loss", known.loss)
    logits = torch.zeros(C, C, dtype=torch.float64, requires_grad=True)
    target = torch.arange(C)
    (found,) = torch.autograd.grad(loss(logits, target), logits)
    (reference,) = torch.autograd.grad(functional.cross_entropy(logits, target), logits)
    assert startup_drive(loss, C) / C == pytest.approx(float(found[0, 0] / reference[0, 0]), rel=1e-9)


@every_loss
def test_stored_it_is_the_same(known: KnownLoss) -> None:
    assert torch.equal(Loss.from_dict(known.loss.to_dict())(LOGITS, TARGET), known.loss(LOGITS, TARGET))


@every_loss
def test_exported_it_is_the_same(known: KnownLoss, tmp_path: Path) -> None:
    path = tmp_path / "found_loss.py"
    path.write_text(write_module(known.loss), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("found_loss", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.testing.assert_close(module.FoundLoss()(LOGITS, TARGET), known.loss(LOGITS, TARGET), rtol=1e-9, atol=1e-11)


@every_loss
def test_its_formula_is_the_same(known: KnownLoss) -> None:
    loss = getattr(known.loss, "loss", known.loss)
    found = evaluate(loss.formula("python"), {"h": H.numpy(), "y": loss.smooth(Y).numpy()})
    torch.testing.assert_close(torch.from_numpy(found), per_sample(loss, LOGITS, TARGET), rtol=1e-9, atol=1e-11)


@every_loss
def test_symmetric_noise_cannot_mislead_those_that_claim_it(known: KnownLoss) -> None:
    """Summed over all labels, such a loss is the same for every output; of the others, none is."""
    sums = torch.stack([per_sample(known.loss, LOGITS, torch.full((N,), label)) for label in range(C)]).sum(0)
    assert (float(sums.std()) < 1e-9) is known.is_symmetric


def test_a_class_without_samples_is_refused() -> None:
    with pytest.raises(LossError, match="class_counts"):
        known_losses(2, [3, 0])


def test_one_class_is_refused() -> None:
    with pytest.raises(LossError, match="num_classes"):
        known_losses(1)
