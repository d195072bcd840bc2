import pytest
import torch

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    HeadsLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    TaylorLoss,
    named_loss,
)
from glo_lightning.theory import canonical, normalize_drive, null_epoch, scale_loss, startup_drive


def test_a_normalized_loss_starts_with_cross_entropys_gradient(loss: Loss, num_classes: int) -> None:
    if null_epoch(loss, num_classes).drive <= 1e-9:
        with pytest.raises(LossError, match="positive drive"):
            normalize_drive(loss, num_classes)
        return
    normalized = normalize_drive(loss, num_classes)
    assert startup_drive(normalized, num_classes) == pytest.approx(num_classes)
    logits = torch.zeros(3, num_classes, dtype=torch.float64, requires_grad=True)
    target = torch.arange(3) % num_classes
    reference = CrossEntropyLoss()
    torch.testing.assert_close(
        torch.autograd.grad(normalized(logits, target), logits)[0],
        torch.autograd.grad(reference(logits, target), logits)[0],
    )


def test_a_taylor_loss_stays_one() -> None:
    loss = TaylorLoss(named_loss("taylorglo_1").theta, folded=True, class_reduction="mean", label_smoothing=0.1)
    scaled = scale_loss(loss, 2.0)
    assert isinstance(scaled, TaylorLoss)
    assert (scaled.folded, scaled.class_reduction, scaled.label_smoothing) == (True, "mean", 0.1)
    logits, target = torch.randn(4, 10, dtype=torch.float64), torch.arange(4)
    torch.testing.assert_close(scaled(logits, target), 2.0 * loss(logits, target))
    assert canonical(scaled, 10) == canonical(ScaledLoss(loss, 2.0), 10)


def test_a_scaled_loss_is_where_the_loss_is_in_training() -> None:
    loss = TaylorLoss([0.1 * k for k in range(13)], inputs=("y", "h", "t"))
    loss.progress = 0.5
    logits, target = torch.randn(4, 10, dtype=torch.float64), torch.arange(4)
    assert scale_loss(loss, 2.0).progress == 0.5
    torch.testing.assert_close(scale_loss(loss, 2.0)(logits, target), 2.0 * loss(logits, target))


def test_scales_do_not_pile_up() -> None:
    scaled = scale_loss(scale_loss(MeanSquaredErrorLoss(), 2.0), 3.0)
    assert isinstance(scaled, ScaledLoss)
    assert scaled.factor == 6.0
    assert isinstance(scaled.loss, MeanSquaredErrorLoss)


def test_every_head_is_scaled() -> None:
    loss = HeadsLoss([MeanSquaredErrorLoss(), TaylorLoss(named_loss("taylorglo_1").theta, folded=True), BaikalLoss()])
    heads = tuple(torch.randn(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in range(3))
    target = torch.arange(4)
    torch.testing.assert_close(scale_loss(loss, 2.0)(heads, target), 2.0 * loss(heads, target))
    normalized = normalize_drive(loss, 10)
    assert isinstance(normalized, HeadsLoss)
    alone = [normalize_drive(own, 10) for own in loss.losses]
    torch.testing.assert_close(normalized(heads, target), HeadsLoss(alone)(heads, target))
    assert [null_epoch(own, 10).drive for own in normalized.losses] == pytest.approx([10.0] * 3)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_refuses_a_factor_that_is_not_positive(factor: float) -> None:
    with pytest.raises(SettingsError, match="positive factor"):
        scale_loss(CrossEntropyLoss(), factor)


def test_refuses_a_loss_without_drive() -> None:
    with pytest.raises(LossError, match="drive 0"):
        normalize_drive(TaylorLoss([0.0] * 8), 10)
