import pytest
import torch

from glo_lightning.errors import SettingsError
from glo_lightning.losses import BaikalLoss, CrossEntropyLoss, Loss, ScaledLoss, TaylorLoss, named_loss
from glo_lightning.theory import KernelProbe, predict_accuracy, trainability
from glo_lightning.theory.gamma import logit_gradient
from glo_lightning.theory.mean_field import _gradients

PROBE = KernelProbe(constant=50.0, discriminative=1.0, common_spread=0.1, sample_spread=0.1, num_classes=10)


def test_gradients_of_all_candidates_are_those_of_each(loss: Loss) -> None:
    losses = [loss, BaikalLoss(class_reduction="mean"), named_loss("taylorglo_1"), TaylorLoss([0.1, 0.2, 0.3], order=1)]
    logits = torch.randn(2, len(losses), 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = _gradients(losses, 5)(logits)
    for k, each in enumerate(losses):
        factor = 0.2 if each.class_reduction == "mean" else 1.0
        for draw in range(2):
            expected = factor * logit_gradient(each, logits[draw, k], torch.arange(5))
            torch.testing.assert_close(found[draw, k], expected, rtol=1e-9, atol=1e-10)


def test_candidates_do_not_influence_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    losses = [TaylorLoss(1.2 * torch.randn(8, generator=generator)) for _ in range(6)]
    together = predict_accuracy(losses, PROBE, 0.1, steps=50, momentum=0.9)
    apart = [predict_accuracy([loss], PROBE, 0.1, steps=50, momentum=0.9).item() for loss in losses]
    assert together.tolist() == pytest.approx(apart)


def test_what_starts_uphill_or_collapses_is_not_predicted_to_train() -> None:
    uphill, collapsing = ([0.0, 0.0, 0.0, 2.0, 0.0, d, 0.0, 0.0] for d in (-2.0, 1.0))
    losses = [CrossEntropyLoss(), named_loss("mse"), TaylorLoss(uphill), TaylorLoss(collapsing)]
    scores = predict_accuracy(losses, PROBE, 0.1, steps=300, momentum=0.9)
    assert [trainability(loss, 10).stable for loss in losses] == [True, True, False, False]
    assert scores[:2].min() > 0.9
    assert scores[2:].max() < 0.5


def test_divergence_counts_as_failure() -> None:
    assert predict_accuracy([ScaledLoss(named_loss("mse"), 1e308)], PROBE, 1.0, steps=50).item() == 0.0


def test_a_seed_fixes_the_prediction() -> None:
    losses = [named_loss("taylorglo_1")]
    first, second = (predict_accuracy(losses, PROBE, 0.1, steps=20, seed=3) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0, "steps": 10},
        {"learning_rate": 0.1, "steps": 0},
        {"learning_rate": 0.1, "steps": 10, "momentum": 1.0},
        {"learning_rate": 0.1, "steps": 10, "batch_size": 0},
        {"learning_rate": float("nan"), "steps": 10},
    ],
)
def test_refuses_settings_that_train_nothing(settings: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="learning_rate above 0"):
        predict_accuracy([CrossEntropyLoss()], PROBE, **settings)
