"""A stack of losses computes what each loss computes by itself, values and gradients."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    DriveLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    TverskyLoss,
    TwoSidedLoss,
    num_parameters,
    two_sided_drive,
)
from glo_lightning.training.population.losses import LossStack, by_structure, structure
from tests.losses.without_double import MetaWithoutDouble

CPU = torch.device("cpu")
N, C = 6, 4


def taylor(seed: int, order: int = 3, inputs: tuple[str, ...] = ("y", "h"), **options: object) -> TaylorLoss:
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(num_parameters(order, inputs), generator=generator, dtype=torch.float64)
    return TaylorLoss(theta, order, inputs, **options)


STACKS: dict[str, list[Loss]] = {
    "taylor": [taylor(seed) for seed in range(3)],
    "one taylor": [taylor(0)],
    "equal taylor": [taylor(0), taylor(0)],
    "first order": [taylor(seed, order=1) for seed in range(2)],
    "fifth order": [taylor(seed, order=5) for seed in range(2)],
    "smoothed": [taylor(seed, label_smoothing=0.1) for seed in range(2)],
    "mean over classes": [taylor(seed, class_reduction="mean") for seed in range(2)],
    "sum over batch": [taylor(seed, reduction="sum") for seed in range(2)],
    "folded": [taylor(seed, folded=True) for seed in range(2)],
    "of logits": [taylor(seed, order=2, inputs=("y", "f")) for seed in range(2)],
    "of progress": [taylor(seed, order=2, inputs=("y", "h", "t")) for seed in range(2)],
    "of logits and progress": [taylor(seed, order=2, inputs=("h", "f", "t")) for seed in range(2)],
    "scaled": [ScaledLoss(taylor(0), 2.0), ScaledLoss(ScaledLoss(taylor(1), 3.0), -0.3), taylor(2)],
    "cross-entropy": [CrossEntropyLoss() for _ in range(3)],
    "cross-entropies of any smoothing": [CrossEntropyLoss(label_smoothing=k) for k in (0.0, 0.2, 0.9)],
    "cross-entropies, mean over classes": [CrossEntropyLoss("mean", label_smoothing=k) for k in (0.1, 0.5)],
    "cross-entropies, sum over batch": [CrossEntropyLoss(reduction="sum", label_smoothing=k) for k in (0.1, 0.5)],
    "drive": [DriveLoss(1.0 + k, 0.3 * k, -0.3 * k, (1.0, -k), C) for k in (0.0, 1.0, 2.0)],
    "one drive": [DriveLoss(2.0, 0.5, 0.5, (), C)],
    "equal drives": [DriveLoss(num_classes=C)] * 2,
    "smoothed drives": [DriveLoss(1.0, k, num_classes=C, label_smoothing=0.1) for k in (0.0, 1.0)],
    "drives, mean over classes": [DriveLoss(1.0, k, num_classes=C, class_reduction="mean") for k in (0.0, 1.0)],
    "drives, sum over batch": [ScaledLoss(DriveLoss(1.0, k, num_classes=C, reduction="sum"), 2.0) for k in (0.0, 1.0)],
    "tuned trees": [TreeLoss("log(h) - y / h", coefficients=[1.0, k]) for k in (1.0, 1.5)],
    "a mixture": [
        CrossEntropyLoss(),
        CrossEntropyLoss(),
        ScaledLoss(taylor(1, inputs=("h", "t")), 0.5),
        ScaledLoss(CrossEntropyLoss(), 2.0),
        MeanSquaredErrorLoss(),
        BaikalLoss(),
        BaikalCMALoss(),
        BaikalCMALoss((2.0, 1.0, 1.5, -1.0, 1.3, -0.8)),
        FocalLoss(2.0),
        FocalLoss(1.0),
        DriveLoss(1.0, 0.5, num_classes=C),
        TreeLoss("y * log(h)"),
        TreeLoss("square(y - h) - y * log(h)"),
        taylor(2),
    ],
}
stacks = pytest.mark.parametrize("losses", STACKS.values(), ids=STACKS)


def batch(seed: int, kind: str, size: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, bool]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, N, C, generator=generator, dtype=dtype)
    shared = "own" not in kind
    shape = (N,) if shared else (size, N)
    if "soft" in kind:
        return logits, torch.rand(*shape, C, generator=generator).softmax(-1).to(dtype), shared
    return logits, torch.randint(C, shape, generator=generator), shared


def alone(loss: Loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def check(stack: LossStack, losses: list[Loss], logits: Tensor, target: Tensor, shared: bool) -> None:
    values, gradients = stack.differentiate(logits, target, shared)
    for model, loss in enumerate(losses):
        value, gradient = alone(loss, logits[model].detach(), target if shared else target[model])
        torch.testing.assert_close(values[model], value)
        torch.testing.assert_close(gradients[model], gradient)


@stacks
@pytest.mark.parametrize("kind", ["hard", "soft", "own hard", "own soft"])
def test_values_and_gradients_are_each_losses_own(losses: list[Loss], kind: str) -> None:
    stack = LossStack(losses, CPU)
    own = copy.deepcopy(losses)
    assert stack.uses_progress == any(loss.uses_progress for loss in losses)
    for progress in (0.25, 0.75):
        stack.set_progress(progress)
        for loss in own:
            loss.progress = progress
        check(stack, own, *batch(0, kind, len(losses)))
    stack.keep(torch.arange(1, len(losses)))
    if len(losses) > 1:
        check(stack, own[1:], *batch(1, kind, len(losses) - 1))


@stacks
@pytest.mark.parametrize("kind", ["hard", "own soft"])
def test_a_device_without_double_precision_will_do(losses: list[Loss], kind: str) -> None:
    logits, target, shared = batch(0, kind, len(losses), torch.float32)
    with MetaWithoutDouble():
        stack = LossStack(losses, torch.device("meta"))
        values, gradients = stack.differentiate(logits.to("meta"), target.to("meta"), shared)
    assert (values.shape, gradients.shape) == ((len(losses),), logits.shape)


@settings(max_examples=40)
@given(
    order=st.integers(1, 6),
    seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=4),
    smoothing=st.floats(0.0, 0.9),
    scale=st.floats(1e-3, 30.0),
    kind=st.sampled_from(["hard", "own hard"]),
)
def test_any_polynomials(order: int, seeds: list[int], smoothing: float, scale: float, kind: str) -> None:
    losses: list[Loss] = [taylor(seed, order, label_smoothing=smoothing) for seed in seeds]
    logits, target, shared = batch(len(seeds), kind, len(losses))
    check(LossStack(losses, CPU), losses, scale * logits, target, shared)


@pytest.mark.parametrize("own", [False, True])
def test_losses_that_tell_yes_from_no_are_one_call(own: bool) -> None:
    losses: list[Loss] = [SigmoidLoss(two_sided_drive(1.0, 0.1 * k, (k, 0.3), (-0.3, k))) for k in (0.0, 1.0, 2.0)]
    assert len({str(structure(loss)) for loss in losses}) == 1
    losses += [SigmoidLoss(TwoSidedLoss(DriveLoss(q=k, num_classes=2), FocalLoss(2.0))) for k in (0.0, 1.0)]
    losses.append(SigmoidLoss(TwoSidedLoss(TverskyLoss(), None)))
    logits, _, _ = batch(0, "hard", len(losses))
    labels = torch.rand(logits.shape if own else logits.shape[1:], dtype=torch.float64).round()
    check(LossStack(losses, CPU), losses, logits, labels, not own)


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_logits_stay_finite(extreme: float) -> None:
    losses: list[Loss] = [taylor(0), taylor(1)]
    logits, target, shared = batch(0, "hard", 2, torch.float32)
    logits[:, :, 0] = extreme
    check(LossStack(losses, CPU), losses, logits, target, shared)


def test_half_precision_logits_are_computed_in_single() -> None:
    losses: list[Loss] = [taylor(0), taylor(1), CrossEntropyLoss()]
    logits, target, shared = batch(0, "hard", 3, torch.bfloat16)
    values, _ = LossStack(losses, CPU).differentiate(logits, target, shared)
    assert values.dtype == torch.float32
    for model, loss in enumerate(losses):
        torch.testing.assert_close(values[model], loss(logits[model], target))


def test_losses_that_vmap_refuses_are_computed_one_by_one() -> None:
    class Looking(CrossEntropyLoss):
        """Branches on a value, which vmap cannot."""

        family = "test_looking"

        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            loss = super().forward(logits, target)
            return loss if loss.item() < 1e6 else 2.0 * loss

    losses: list[Loss] = [Looking(), Looking()]
    check(LossStack(losses, CPU), losses, *batch(0, "hard", 2))


def test_the_losses_given_are_left_as_they_were() -> None:
    losses = [taylor(0, inputs=("y", "h", "t")), taylor(1, inputs=("y", "h", "t"))]
    LossStack(losses, CPU).set_progress(0.5)
    assert [loss.progress for loss in losses] == [0.0, 0.0]


def test_equal_structures_stand_together_in_their_first_order() -> None:
    a, b = structure(taylor(0)), structure(taylor(1))
    assert a == b
    assert structure(ScaledLoss(taylor(2), 2.0)) == a
    assert all(structure(loss) != a for loss in [taylor(0, order=2), taylor(0, label_smoothing=0.1), BaikalLoss()])
    assert structure(FocalLoss(1.0)) != structure(FocalLoss(2.0))
    assert structure(TreeLoss("log(h)")) != structure(TreeLoss("log(y)"))
    mixed = [taylor(0), CrossEntropyLoss(), taylor(1), BaikalLoss(), CrossEntropyLoss()]
    assert by_structure(mixed) == [0, 2, 1, 4, 3]
