"""Losses of single logits: torch's binary cross-entropy, any shape, and the loss inside with two classes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    for_outputs,
    load_loss,
    save_loss,
)

GENERATOR = torch.Generator().manual_seed(0)
THETA = torch.randn(8, dtype=torch.float64, generator=GENERATOR)
SHAPES = [(), (6,), (6, 1), (6, 3), (2, 3, 4, 5)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)

INSIDE: dict[str, Loss] = {
    "cross-entropy": CrossEntropyLoss(),
    "squared error": MeanSquaredErrorLoss(class_reduction="mean"),
    "baikal": BaikalLoss(label_smoothing=0.1),
    "taylor": TaylorLoss(THETA),
    "taylor, smoothed": TaylorLoss(THETA, label_smoothing=0.2, class_reduction="mean"),
    "tree": TreeLoss("y * log(h) - square(h)"),
    "scaled": ScaledLoss(FocalLoss(), 0.3),
}
inside = pytest.mark.parametrize("loss", INSIDE.values(), ids=INSIDE)


def batch(shape: tuple[int, ...], soft: bool = True) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = 3.0 * torch.randn(shape, dtype=torch.float64, generator=generator)
    labels = torch.rand(shape, dtype=torch.float64, generator=generator)
    return logits.requires_grad_(), labels if soft else labels.round()


@shapes
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_of_cross_entropy_it_makes_torchs_binary_one(shape: tuple[int, ...], soft: bool, reduction: Any) -> None:
    logits, labels = batch(shape, soft)
    found = SigmoidLoss(CrossEntropyLoss(reduction=reduction))(logits, labels)
    expected = functional.binary_cross_entropy_with_logits(logits, labels, reduction=reduction)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    gradients = [torch.autograd.grad(value.sum(), logits)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-13)


def test_of_squared_error_it_makes_twice_torchs() -> None:
    logits, labels = batch((6, 3))
    expected = 2.0 * functional.mse_loss(logits.sigmoid(), labels)
    torch.testing.assert_close(SigmoidLoss(MeanSquaredErrorLoss())(logits, labels), expected)


@inside
@shapes
def test_it_is_the_loss_inside_with_two_classes(loss: Loss, shape: tuple[int, ...]) -> None:
    logits, labels = batch(shape)
    no_and_yes = torch.stack([torch.zeros_like(logits), logits], -1).reshape(-1, 2)
    distributions = torch.stack([1.0 - labels, labels], -1).reshape(-1, 2)
    expected = loss(no_and_yes, distributions)
    found = SigmoidLoss(loss)(logits, labels)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)


@inside
def test_derivatives_storage_and_transforms(loss: Loss, tmp_path: Any) -> None:
    loss = SigmoidLoss(loss)
    logits, labels = batch((4, 2))
    assert torch.autograd.gradcheck(loss, (logits, labels))
    assert torch.autograd.gradgradcheck(loss, (logits, labels))
    save_loss(loss, tmp_path / "loss.json")
    stored = load_loss(tmp_path / "loss.json")
    assert isinstance(stored, SigmoidLoss)
    assert torch.equal(stored(logits, labels), loss(logits, labels))
    together = torch.vmap(loss, in_dims=(0, None))(torch.stack([logits, 2.0 * logits]), labels)
    torch.testing.assert_close(together, torch.stack([loss(logits, labels), loss(2.0 * logits, labels)]))


def test_a_scale_outside_is_a_scale_inside() -> None:
    logits, labels = batch((6, 3))
    outside = ScaledLoss(SigmoidLoss(CrossEntropyLoss()), 2.5)
    torch.testing.assert_close(
        outside(logits, labels), SigmoidLoss(ScaledLoss(CrossEntropyLoss(), 2.5))(logits, labels)
    )


def test_unscaled_logits_and_progress_reach_the_loss_inside() -> None:
    theta = torch.randn(len(TaylorLoss([0.1] * 13, inputs=("y", "f", "t")).theta), generator=GENERATOR)
    loss = SigmoidLoss(TaylorLoss(theta.tolist(), inputs=("y", "f", "t")))
    assert loss.uses_progress
    loss.progress = 0.5
    logits, labels = batch((6, 3))
    rows = torch.stack([-logits / 2, logits / 2], -1).flatten(0, -2)
    expected = loss.loss(rows, torch.stack([1.0 - labels, labels], -1).flatten(0, -2))
    torch.testing.assert_close(loss(logits, labels), expected)
    torch.testing.assert_close(loss(-logits, 1.0 - labels), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    logits, labels = (tensor.detach().to(dtype) for tensor in batch((6, 3)))
    found = SigmoidLoss(TaylorLoss(THETA))(logits, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, SigmoidLoss(TaylorLoss(THETA))(logits.float(), labels.float()))


def test_saturated_logits_are_exact() -> None:
    logits = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = SigmoidLoss(CrossEntropyLoss())(logits, torch.tensor([0.0, 0.0]))
    loss.backward()
    assert loss == 5e3
    assert logits.grad.tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    ("labels", "cure"),
    [
        (torch.zeros(6), "unsqueeze"),
        (torch.zeros(6, 1, dtype=torch.int64), "float()"),
        (torch.zeros(6, 2), "one shape"),
    ],
    ids=["missing dimension", "integers", "other shape"],
)
def test_labels_that_do_not_fit_are_refused(labels: Tensor, cure: str) -> None:
    with pytest.raises(LossError) as caught:
        SigmoidLoss(CrossEntropyLoss())(torch.zeros(6, 1), labels)
    assert cure in str(caught.value)


def test_only_losses_are_wrapped() -> None:
    with pytest.raises(LossError, match="a Loss to wrap"):
        SigmoidLoss(torch.nn.BCEWithLogitsLoss())  # type: ignore[arg-type]
    loss = CrossEntropyLoss()
    assert for_outputs(loss, "softmax") is loss
    found = for_outputs(loss, "sigmoid")
    assert isinstance(found, SigmoidLoss)
    assert for_outputs(ScaledLoss(found, 2.0), "sigmoid").loss is found
    assert [each.outputs for each in (loss, found, ScaledLoss(found, 2.0))] == ["softmax", "sigmoid", "sigmoid"]
