"""Spaces: what the numbers mean, and that smaller spaces lose nothing."""

from typing import Literal

import pytest
import torch

from glo_lightning.losses import CrossEntropyLoss, TaylorLoss, TreeLoss
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.polynomial import CanonicalSpace, TaylorSpace
from glo_lightning.search.spaces.trees import CoefficientSpace, ExpressionSpace
from glo_lightning.search.spaces.wrapped import NormalizedSpace
from glo_lightning.theory import canonical, trainability


def _gradient(loss: torch.nn.Module, num_classes: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, num_classes, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(num_classes, (7,), generator=generator)
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    return gradient


def _point(space: object, values: list[float]) -> dict[str, float]:
    return dict(zip(space.distributions, values, strict=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("order", "inputs", "size"), [(3, ("y", "h"), 8), (2, ("y", "h"), 5), (3, ("y", "h", "t"), 13)]
)
def test_taylor_space_is_theta(order: int, inputs: tuple[str, ...], size: int) -> None:
    space = make_space(SearchSettings(parameters="theta", order=order, inputs=inputs), 10)  # type: ignore[arg-type]
    values = torch.randn(size, dtype=torch.float64).tolist()
    assert list(space.distributions) == [f"theta_{k}" for k in range(size)]
    assert space.build(_point(space, values)).to_dict() == TaylorLoss(values, order, inputs).to_dict()  # type: ignore[arg-type]


def test_canonical_space_reaches_what_theta_reaches() -> None:
    space = CanonicalSpace(3, 10)
    theta = torch.randn(8, dtype=torch.float64)
    loss = TaylorLoss(theta)
    again = space.build(_point(space, list(canonical(loss).parameters)))
    torch.testing.assert_close(_gradient(again), _gradient(loss), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("order", "num_classes", "size"), [(3, 10, 4), (4, 10, 6), (3, 2, 2)])
def test_canonical_space_has_the_identifiable_parameters(order: int, num_classes: int, size: int) -> None:
    assert len(CanonicalSpace(order, num_classes).distributions) == size


@pytest.mark.parametrize("space", [TaylorSpace(5), CanonicalSpace(5, 10)])
def test_cross_entropy_start_is_proper(space: TaylorSpace | CanonicalSpace) -> None:
    verdict = trainability(space.build(_point(space, space.cross_entropy)), 10)
    assert verdict.exact
    assert verdict.ratio == pytest.approx(1.0)


def test_normalized_losses_start_like_cross_entropy() -> None:
    space = TaylorSpace(3)
    loss = NormalizedSpace(space, 10).build(_point(space, space.cross_entropy))
    null = torch.zeros(4, 10, dtype=torch.float64, requires_grad=True)
    target = torch.arange(4)
    (gradient,) = torch.autograd.grad(loss(null, target), null)
    (expected,) = torch.autograd.grad(CrossEntropyLoss()(null, target), null)
    torch.testing.assert_close(gradient, expected)


def test_losses_that_cannot_be_normalized_stay_for_the_invariant_to_stop() -> None:
    space = TaylorSpace(3)
    flat = NormalizedSpace(space, 10).build(_point(space, [0.0] * 8))
    assert not trainability(flat, 10).exact
    too_weak = NormalizedSpace(CoefficientSpace("y * log(h)"), 10).build({"c_0": 1e-310})
    assert isinstance(too_weak, TreeLoss)


@pytest.mark.parametrize("normalize", ["none", "drive"])
def test_the_settings_decide_on_the_scale(normalize: Literal["none", "drive"]) -> None:
    space = as_asked(ExpressionSpace(), SearchSettings(normalize=normalize), 10)
    drive = trainability(space.build({"expression": "-square(h - y)"}), 10).drive
    assert drive == pytest.approx({"none": 2.0, "drive": 10.0}[normalize])
