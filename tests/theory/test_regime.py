import math

import pytest
import torch

from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    TaylorLoss,
    TreeLoss,
    named_loss,
)
from glo_lightning.theory import (
    drive,
    equilibria,
    equilibrium_confidence,
    implied_smoothing,
    null_epoch,
    zero_error_drive,
)

close = pytest.approx
A, B = 2.7279 * 0.9863, 2.7279 * -1.1135 * 1.3716 / -0.8411


def test_named_losses_at_the_null_epoch(num_classes: int) -> None:
    n = num_classes
    expected = {
        MeanSquaredErrorLoss: (2.0 - 2.0 / n, -2.0 / n, 2.0, 2.0),
        CrossEntropyLoss: (n, 0.0, n, n),
        BaikalLoss: (n + n**2, n, n**2, 3 * n**2),
        BaikalCMALoss: (A * n + B * n**2, A * n, B * n**2, (2 * B + A) * n**2),
    }
    for family, (target, nontarget, drive_, curvature) in expected.items():
        found = null_epoch(family(), n)
        assert (found.gamma_target, found.gamma_nontarget) == close((target, nontarget))
        assert (found.drive, found.curvature) == close((drive_, curvature))


def test_all_three_ways_to_the_null_epoch_agree(loss: Loss, num_classes: int) -> None:
    class_factor = num_classes if loss.class_reduction == "mean" else 1
    found = null_epoch(loss, num_classes)
    from_logits = null_epoch(lambda logits, target: class_factor * loss(logits, target), num_classes)
    h = torch.tensor([1.0 / num_classes] * 2, dtype=torch.float64, requires_grad=True)
    alpha = loss.label_smoothing
    y = torch.tensor([alpha / num_classes, 1.0 - alpha + alpha / num_classes], dtype=torch.float64)
    (slope,) = torch.autograd.grad(loss.elementwise(h, y).sum(), h, create_graph=True)
    second = torch.zeros(2)
    if slope.requires_grad:
        (second,) = torch.autograd.grad(slope.sum(), h)
    curvature = float(second[0] + (second[1] - second[0]) / num_classes)
    scale = 1e-7 * (abs(found.gamma_target) + abs(found.curvature) + 1.0)
    assert found.drive == close((slope[0] - slope[1]).item(), abs=scale)
    assert found.curvature == close(curvature, abs=scale)
    assert from_logits.drive == close(found.drive, abs=scale)
    assert from_logits.curvature == close(found.curvature, abs=scale)
    assert math.isnan(from_logits.gamma_target)


def test_the_null_gradient_is_cross_entropys_times_the_drive(loss: Loss) -> None:
    logits = torch.zeros(4, 10, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 3, 3, 9])
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    (of_cross_entropy,) = torch.autograd.grad(CrossEntropyLoss()(logits, target), logits)
    factor = null_epoch(loss, 10).drive / (100 if loss.class_reduction == "mean" else 10)
    torch.testing.assert_close(gradient, factor * of_cross_entropy)


def test_the_curvature_is_the_hessians_eigenvalue_averaged_over_targets(loss: Loss) -> None:
    num_classes = 4

    def averaged(logits: torch.Tensor) -> torch.Tensor:
        return loss(logits.expand(num_classes, -1), torch.arange(num_classes))

    hessian = torch.func.hessian(averaged)(torch.zeros(num_classes, dtype=torch.float64))
    projection = torch.eye(num_classes, dtype=torch.float64) - 1.0 / num_classes
    class_factor = num_classes if loss.class_reduction == "mean" else 1
    expected = null_epoch(loss, num_classes).curvature / num_classes**2 / class_factor * projection
    torch.testing.assert_close(hessian, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("loss", "place"),
    [
        (TreeLoss("log(h - 1/5) + y"), "h = 0.1, y = 0"),
        (TreeLoss("y / (10 * h - 1 + y) * h"), "y = 0"),
        (TaylorLoss([0.0, 1e200, 1e300, 0.0, 1e300, 0.0, 0.0, 0.0]), "gamma is"),
        (TaylorLoss([0.0, 1e200, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, *[1.0] * 4], order=4), "gamma is inf"),
    ],
)
def test_an_undefined_start_names_the_place(loss: Loss, place: str) -> None:
    found = null_epoch(loss, 10)
    assert place in found.undefined
    assert math.isnan(found.drive)
    assert math.isnan(equilibrium_confidence(loss, 10))


def test_an_undefined_black_box_is_told() -> None:
    found = null_epoch(lambda logits, target: logits[0, target].sqrt(), 10)
    assert found.undefined


def test_zero_error() -> None:
    assert zero_error_drive(CrossEntropyLoss(), 10) == 1.0
    assert zero_error_drive(MeanSquaredErrorLoss(), 10) == 0.0
    assert zero_error_drive(BaikalLoss(), 10) == -math.inf
    assert zero_error_drive(CrossEntropyLoss(label_smoothing=0.1), 10) == -math.inf
    assert zero_error_drive(named_loss("taylorglo_1"), 10) == close(-9.16, abs=5e-3)
    assert zero_error_drive(named_loss("taylorglo_2"), 10) == close(-143.0, abs=0.05)
    assert zero_error_drive(TreeLoss("y * log(h)"), 10) == close(1.0)
    assert zero_error_drive(TreeLoss("log(h * h + y)"), 10) < -1e99  # 2 / h
    assert zero_error_drive(TreeLoss("-1 * sqrt(square(h - y))"), 10) == close(2.0)  # |h - y| falls by 1 at each end
    assert zero_error_drive(torch.nn.CrossEntropyLoss(), 10) == close(1.0, abs=1e-5)


def test_near_zero_error_the_zero_error_drive_decides(num_classes: int) -> None:
    loss = named_loss("taylorglo_1")
    close_by = drive(loss, 1.0 - 1e-8, num_classes).item()
    assert close_by == close(zero_error_drive(loss, num_classes), rel=1e-6)


def test_baikal_repels_beyond_one_over_the_square_root_of_the_classes(num_classes: int) -> None:
    """Theorem 1: Baikal pushes samples away from zero training error."""
    boundary = num_classes**-0.5
    (only,) = equilibria(BaikalLoss(), num_classes)
    assert only.stable
    assert only.confidence == close(boundary, rel=1e-9)
    beyond = torch.linspace(boundary + 1e-6, 1.0 - 1e-6, 200, dtype=torch.float64)
    assert bool((drive(BaikalLoss(), beyond, num_classes) < 0.0).all())
    before = torch.linspace(1e-6, boundary - 1e-6, 200, dtype=torch.float64)
    assert bool((drive(BaikalLoss(), before, num_classes) > 0.0).all())


def test_baikal_cma_repels_beyond_the_root_of_its_quadratic() -> None:
    n = 10
    root = (A - B + math.sqrt((B - A) ** 2 + 4 * A * n * B)) / (2 * A * n)
    (only,) = equilibria(BaikalCMALoss(), n)
    assert only.confidence == close(root, rel=1e-9)
    assert root == close(0.389, abs=5e-4)


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), MeanSquaredErrorLoss()], ids=["ce", "mse"])
def test_some_losses_pull_all_the_way(loss: Loss) -> None:
    assert equilibria(loss, 10) == ()
    assert equilibrium_confidence(loss, 10) == 1.0
    assert implied_smoothing(loss, 10) == 0.0


def test_equilibria_of_third_order_taylor_are_the_roots_of_its_quadratic(num_classes: int) -> None:
    n = num_classes
    generator = torch.Generator().manual_seed(n)
    for _ in range(20):
        ch, chh, chy, c_label = torch.randn(4, generator=generator, dtype=torch.float64).tolist()
        loss = TaylorLoss([0.0, 0.0, 0.0, ch, 2.0 * chh, c_label, chy, 0.0])
        a2 = chh * (1.0 - 1.0 / (n - 1) ** 2)
        a1 = chy + ch * n / (n - 1) + 2.0 * chh / (n - 1) ** 2
        a0 = c_label - ch / (n - 1) - chh / (n - 1) ** 2
        root = math.sqrt(max(a1**2 - 4.0 * a2 * a0, 0.0))
        roots = [(-a1 + s * root) / (2.0 * a2) for s in (-1, 1)] if a2 else [-a0 / a1]
        expected = sorted(r for r in roots if 1e-5 < r < 1.0 - 1e-5) if a1**2 > 4.0 * a2 * a0 else []
        found = equilibria(loss, n)
        assert [e.confidence for e in found] == close(expected, rel=1e-7)
        assert [e.stable for e in found] == [2.0 * a2 * r + a1 < 0.0 for r in expected]


def test_the_published_loss_settles_below_one_half() -> None:
    assert equilibrium_confidence(named_loss("taylorglo_1"), 10) == close(0.4503, abs=5e-5)


def test_smoothed_cross_entropy_implies_its_own_smoothing(num_classes: int) -> None:
    for alpha in (0.05, 0.3):
        assert implied_smoothing(CrossEntropyLoss(label_smoothing=alpha), num_classes) == close(alpha, rel=1e-6)


def test_a_flat_loss_rests_at_chance_and_an_uphill_one_falls_below() -> None:
    assert equilibrium_confidence(TaylorLoss([0.0] * 8), 10) == 0.1
    uphill = TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, -2.0, 0.0, 0.0])
    assert equilibrium_confidence(uphill, 10) == 0.0
