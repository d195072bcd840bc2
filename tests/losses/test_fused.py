"""The closed form of polynomial losses under everything that may call it."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, grad_and_value, hessian, stack_module_state, vmap

from glo_lightning.errors import LossError
from glo_lightning.losses import TaylorLoss, fused, label_distribution, num_parameters
from glo_lightning.losses.taylor import MAX_KERNELS

ORDERS = [2, 3, 4, 7]
LOGITS = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
HARD = torch.tensor([0, 1, 2, 3, 4, 0])
SOFT = LOGITS.roll(1, 0).softmax(-1)


def taylor(order: int, seed: int = 0, **arguments: Any) -> TaylorLoss:
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(num_parameters(order, ("y", "h")), dtype=torch.float64, generator=generator)
    return TaylorLoss(theta, order, label_smoothing=0.1, **arguments)


def reference(loss: TaylorLoss, logits: Tensor, target: Tensor) -> Tensor:
    return loss.per_class(logits, loss.smooth(label_distribution(logits, target))).sum(-1).mean()


@pytest.fixture(params=ORDERS, ids=lambda order: f"order{order}")
def loss(request: pytest.FixtureRequest) -> TaylorLoss:
    return taylor(request.param)


@pytest.fixture(params=[HARD, SOFT], ids=["hard", "soft"])
def target(request: pytest.FixtureRequest) -> Tensor:
    return request.param


@pytest.mark.parametrize("elements", [1, 10, 17])
def test_blocks_change_nothing(
    loss: TaylorLoss, target: Tensor, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LOGITS.clone().requires_grad_()
    loss(whole, target).backward()
    monkeypatch.setattr(fused, "BLOCK_ELEMENTS", elements)
    blocks = LOGITS.clone().requires_grad_()
    torch.testing.assert_close(loss(blocks, target), loss(whole, target))
    loss(blocks, target).backward()
    torch.testing.assert_close(blocks.grad, whole.grad)


def test_vmap_over_theta_and_models_equals_a_loop(target: Tensor) -> None:
    losses = [taylor(3, seed) for seed in range(4)]
    weights = [torch.randn(3, 5, dtype=torch.float64) for _ in losses]
    inputs = torch.randn(6, 3, dtype=torch.float64)
    _, buffers = stack_module_state(losses)

    def train_loss(weight: Tensor, theta: Tensor) -> Tensor:
        return functional_call(losses[0], {"theta": theta}, (inputs @ weight, target))

    gradients, values = vmap(grad_and_value(train_loss))(torch.stack(weights), buffers["theta"])
    for weight, loss, gradient, value in zip(weights, losses, gradients, values, strict=True):
        weight.requires_grad_()
        expected = reference(loss, inputs @ weight, target)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, weight)[0])


def test_vmap_inside_autograd(target: Tensor) -> None:
    losses = [taylor(3, seed) for seed in range(3)]
    thetas = torch.stack([loss.theta for loss in losses])
    stacked = torch.stack([LOGITS, 2.0 * LOGITS, -LOGITS]).requires_grad_()
    call = vmap(lambda logits, theta: functional_call(losses[0], {"theta": theta}, (logits, target)))
    call(stacked, thetas).sum().backward()
    for loss, logits, found in zip(losses, stacked.detach(), stacked.grad, strict=True):
        torch.testing.assert_close(found, grad(lambda f, loss=loss: reference(loss, f, target))(logits))


def test_gradient_of_theta(loss: TaylorLoss, target: Tensor) -> None:
    def by(function: Any) -> Tensor:
        return grad(lambda theta: functional_call(loss, {"theta": theta}, (LOGITS, target)))(loss.theta)

    theta = loss.theta.clone().requires_grad_()
    functional_call(loss, {"theta": theta}, (LOGITS, target)).backward()
    step = 1e-6 * torch.randn(len(theta), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = [functional_call(loss, {"theta": loss.theta + sign * step}, (LOGITS, target)) for sign in (1, -1)]
    torch.testing.assert_close((theta.grad * step).sum(), (values[0] - values[1]) / 2, rtol=1e-5, atol=1e-14)
    torch.testing.assert_close(by(loss), theta.grad)


def test_gradient_of_soft_labels() -> None:
    loss, labels = taylor(3), SOFT.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(LOGITS.clone().requires_grad_(), labels), labels)
    torch.testing.assert_close(found, torch.autograd.grad(reference(loss, LOGITS, labels), labels)[0])


def test_hessian(loss: TaylorLoss, target: Tensor) -> None:
    expected = hessian(lambda f: reference(loss, f, target))(LOGITS)
    torch.testing.assert_close(hessian(loss)(LOGITS, target), expected)
    eager = torch.autograd.functional.hessian(lambda f: loss(f, target), LOGITS.clone())
    torch.testing.assert_close(eager, expected)


def test_gradient_penalty_trains_through_the_gradient(loss: TaylorLoss, target: Tensor) -> None:
    def penalty(value: Any, weight: Tensor) -> Tensor:
        logits = LOGITS @ weight
        (slope,) = torch.autograd.grad(value(logits, target), logits, create_graph=True)
        return slope.square().sum()

    weight = torch.eye(5, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(penalty(loss, weight), weight)
    (expected,) = torch.autograd.grad(penalty(lambda f, y: reference(loss, f, y), weight), weight)
    torch.testing.assert_close(found, expected)


def test_kept_graph_and_accumulated_gradients(target: Tensor) -> None:
    loss, logits = taylor(3), LOGITS.clone().requires_grad_()
    value = loss(logits, target)
    value.backward(retain_graph=True)
    first = logits.grad.clone()
    value.backward()
    torch.testing.assert_close(logits.grad, 2.0 * first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_equals_eager(target: Tensor, dtype: torch.dtype) -> None:
    loss = taylor(3)
    labels = target.to(dtype) if target.is_floating_point() else target
    eager, compiled = (LOGITS.clone().to(dtype).requires_grad_() for _ in range(2))
    expected = loss(eager, labels)
    found = torch.compile(loss, fullgraph=True, backend="aot_eager")(compiled, labels)
    torch.testing.assert_close(found, expected)
    expected.backward()
    found.backward()
    torch.testing.assert_close(compiled.grad, eager.grad)


def test_inference_mode_leaves_training_intact(loss: TaylorLoss, target: Tensor) -> None:
    with torch.inference_mode():
        loss(LOGITS.clone(), target)
    assert torch.autograd.gradgradcheck(lambda f: loss(f, target), (LOGITS.clone().requires_grad_(),))


def test_copies_do_not_share_theta(target: Tensor) -> None:
    loss = taylor(3)
    before = loss(LOGITS, target)
    twin = copy.deepcopy(loss)
    twin.theta.mul_(2.0)
    assert torch.equal(loss(LOGITS, target), before)
    assert not torch.equal(twin(LOGITS, target), before)


def test_copies_follow_their_own_progress(target: Tensor) -> None:
    fresh = TaylorLoss(torch.linspace(-1.0, 1.0, 13), inputs=("y", "h", "t"))
    loss = copy.deepcopy(fresh)
    loss.progress = 0.5
    loss(LOGITS, target)
    twin = copy.deepcopy(loss)
    assert twin.progress == 0.5
    twin.progress = fresh.progress = 1.0
    assert torch.equal(twin(LOGITS, target), fresh(LOGITS, target))


def test_float32_error_stays_near_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    theta = [-10.9408, 7.5216, 8.2896, 0.2415, 7.8726, 8.9666, 2.0184, 7.0513]  # TaylorGLO's far-off centre
    loss, logits = TaylorLoss(theta, folded=True), torch.randn(64, 10, generator=generator)
    target = torch.randint(10, (64,), generator=generator)
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss(single, target).backward()
    loss(double, target).backward()
    error = (single.grad.double() - double.grad).abs().max() / double.grad.abs().max()
    assert error < 1e-6


def test_bad_labels_are_refused_under_vmap_too() -> None:
    batches = torch.stack([LOGITS, LOGITS])
    with pytest.raises(LossError, match=r"labels in 0\.\.4, got labels from 0 to 9"):
        vmap(taylor(3))(batches, torch.stack([HARD, 9 - HARD]))


def test_remembered_kernels_are_bounded() -> None:
    loss = taylor(3)
    for num_rows in range(1, 2 * MAX_KERNELS):
        loss(LOGITS[:1].expand(num_rows, -1), HARD[:1].expand(num_rows))
    assert len(loss._kernels) <= MAX_KERNELS
