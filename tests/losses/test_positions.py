"""Logits with positions, as segmentation and sequences have them: each position is a sample."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from glo_lightning.errors import LossError
from glo_lightning.losses import BaikalLoss, CrossEntropyLoss, Loss, ScaledLoss, TaylorLoss, TreeLoss

THETA = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SHAPES = [(2, 3, 4), (2, 3, 4, 5), (2, 3, 3, 3), (2, 3, 2, 2, 2), (0, 3, 4)]
LOSSES: dict[str, Any] = {
    "cross-entropy": CrossEntropyLoss,
    "taylor": lambda **arguments: TaylorLoss(THETA, **arguments),
    "tree": lambda **arguments: TreeLoss("y * log(h) - square(h)", **arguments),
    "scaled baikal": lambda **arguments: ScaledLoss(BaikalLoss(**arguments), 2.0),
}
losses = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def batch(shape: tuple[int, ...], soft: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(shape, dtype=torch.float64, generator=generator)
    hard = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits.requires_grad_(), torch.randn(shape, generator=generator).double().softmax(1) if soft else hard


@shapes
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_cross_entropy_is_torchs(shape: tuple[int, ...], soft: bool, reduction: Any) -> None:
    logits, target = batch(shape, soft)
    loss = CrossEntropyLoss(reduction=reduction, label_smoothing=0.1)
    expected = functional.cross_entropy(logits, target, reduction=reduction, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, target), expected, check_stride=False)


@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_the_mean_of_class_indices_is_torchs(shape: tuple[int, ...]) -> None:
    logits, target = batch(shape, soft=False)
    torch.testing.assert_close(CrossEntropyLoss()(logits, target), functional.cross_entropy(logits, target))


@pytest.mark.parametrize("make", [LOSSES["cross-entropy"], LOSSES["taylor"]], ids=["cross-entropy", "taylor"])
def test_an_empty_batch_costs_nothing_compiled_either(make: Any) -> None:
    loss = make()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    for size in (3, 0, 5):
        logits, target = batch((size, 3), soft=False)
        torch.testing.assert_close(compiled(logits, target), loss(logits, target))


@losses
@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_positions_are_samples(make: Any, shape: tuple[int, ...], soft: bool) -> None:
    logits, target = batch(shape, soft)
    loss: Loss = make(reduction="none")
    found = loss(logits, target)
    assert found.shape == (shape[0], *shape[2:])
    for position in torch.cartesian_prod(*map(torch.arange, shape[2:])).reshape(-1, len(shape) - 2).tolist():
        at = (..., *position)
        torch.testing.assert_close(found[at], loss(logits[at], target[at]), check_stride=False)
    mean = make()(logits, target)
    torch.testing.assert_close(mean, found.mean())
    gradients = [torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (mean, found.mean())]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("unlabelled", [-100, -1, 255])
def test_unlabelled_positions_are_left_out_as_the_cure_says(unlabelled: int) -> None:
    logits, target = batch((2, 3, 4, 5), soft=False)
    target[:, 1:] = unlabelled
    with pytest.raises(LossError) as caught:
        CrossEntropyLoss()(logits, target)
    cure = caught.value.cure
    assert "keep = (target >= 0) & (target < 3), then logits.movedim(1, -1)[keep] and target[keep]" in cure
    keep = (target >= 0) & (target < 3)
    found = CrossEntropyLoss()(logits.movedim(1, -1)[keep], target[keep])
    torch.testing.assert_close(found, functional.cross_entropy(logits, target, ignore_index=unlabelled))


@pytest.mark.parametrize(
    "target",
    [torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.int64)],
    ids=["classes last", "distributions without classes", "one-hot integers"],
)
def test_labels_that_do_not_fit_are_refused(target: Tensor) -> None:
    with pytest.raises(LossError, match="Dimension 1 of the logits holds the classes"):
        CrossEntropyLoss()(torch.zeros(2, 3, 4, 5), target)
