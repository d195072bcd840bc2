"""Where a loss is in a space: what is found there trains as the loss does, and what is not there is not found."""

import pytest
import torch

from glo_lightning.losses import (
    AbsoluteErrorLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    HuberLoss,
    Loss,
    ResidualLoss,
    ScaledLoss,
    SigmoidLoss,
    known_losses,
    known_regression_losses,
)
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.drive import DriveSpace, TwoSidedDriveSpace
from glo_lightning.search.spaces.located import locate
from glo_lightning.search.spaces.polynomial import CanonicalSpace
from glo_lightning.search.spaces.residual import ResidualSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace, HeadsSpace

LOGITS = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.arange(20) % 4
COUNTS = (70, 20, 7, 3)


def _gradient(loss: Loss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    return gradient


def _built(space: LossSpace, loss: Loss, factor: float = 1.0) -> tuple[Loss, float]:
    place = locate(space, loss, factor)
    assert place is not None
    return space.build(place.parameters), place.factor


@pytest.mark.parametrize(
    "name",
    ["cross_entropy", "poly", "mean_absolute_error", "generalised_cross_entropy", "symmetric_cross_entropy",
     "asymmetric_generalised_cross_entropy"],
)  # fmt: skip
@pytest.mark.parametrize("with_scale", [True, False])
def test_a_drive_loss_is_found_with_its_learning_rate(name: str, with_scale: bool) -> None:
    loss = known_losses(4)[name].loss
    if name == "poly":  # as a member of the family
        loss = type(known_losses(4)["mean_absolute_error"].loss).like("poly", 4)
    found, factor = _built(DriveSpace(4, with_scale), loss, 3.0)
    expected = 3.0 * _gradient(loss, LOGITS, TARGET)
    torch.testing.assert_close(factor * _gradient(found, LOGITS, TARGET), expected)
    assert with_scale == (factor == 1.0)


def test_a_constant_is_part_of_the_scale() -> None:
    found, _ = _built(DriveSpace(4), ScaledLoss(CrossEntropyLoss(), 5.0))
    torch.testing.assert_close(_gradient(found, LOGITS, TARGET), 5.0 * _gradient(CrossEntropyLoss(), LOGITS, TARGET))
    assert locate(DriveSpace(4), ScaledLoss(CrossEntropyLoss(), -1.0)) is None


@pytest.mark.parametrize("name", ["label_smoothing", "focal", "mean_squared_error", "active_passive", "dice"])
def test_what_is_no_drive_loss_is_not_found(name: str) -> None:
    assert locate(DriveSpace(4), known_losses(4)[name].loss) is None
    assert locate(CanonicalSpace(3, 4), CrossEntropyLoss()) is None


@pytest.mark.parametrize("name", ["logit_adjusted", "label_distribution_aware_margin", "cross_entropy"])
def test_what_makes_up_for_rare_classes_is_found(name: str) -> None:
    loss = known_losses(4, COUNTS)[name].loss
    found, _ = _built(ClassAwareSpace(DriveSpace(4), COUNTS), loss)
    assert isinstance(found, ClassAwareLoss)
    if name == "cross_entropy":  # a ClassAwareLoss that does nothing
        loss = ClassAwareLoss(loss, COUNTS, 0.0)
    torch.testing.assert_close(_gradient(found, LOGITS, TARGET), _gradient(loss, LOGITS, TARGET))


def test_other_counts_are_not_found() -> None:
    assert locate(ClassAwareSpace(DriveSpace(4), COUNTS), known_losses(4, COUNTS)["class_balanced"].loss) is None


@pytest.mark.parametrize("name", ["cross_entropy", "mean_absolute_error", "generalised_cross_entropy"])
def test_of_yes_and_no_both_sides_are_alike(name: str) -> None:
    loss = known_losses(2, outputs="sigmoid")[name].loss
    found, _ = _built(TwoSidedDriveSpace(), loss, 2.0)
    answers = (LOGITS[:, 0], (TARGET == 1).double())
    torch.testing.assert_close(_gradient(SigmoidLoss(found), *answers), 2.0 * _gradient(loss, *answers))


@pytest.mark.parametrize("name", ["squared_error", "pseudo_huber", "cauchy", "geman_mcclure"])
def test_a_residual_loss_is_found(name: str) -> None:
    loss = known_regression_losses(3.0)[name].loss
    found, factor = _built(ResidualSpace(3.0), loss, 0.3)
    assert (found.to_dict(), factor) == (loss.to_dict(), 0.3)


@pytest.mark.parametrize("loss", [HuberLoss(0.5, 3.0), AbsoluteErrorLoss(3.0)], ids=["Huber", "absolute error"])
def test_of_numbers_the_smooth_like_is_found(loss: Loss) -> None:
    """Far from the target both pull as hard."""
    found, factor = _built(ResidualSpace(3.0), loss)
    far = (torch.tensor([[100.0]], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    torch.testing.assert_close(factor * _gradient(found, *far), _gradient(loss, *far), rtol=1e-2, atol=0.0)
    assert isinstance(found, ResidualLoss)


def test_of_several_heads_all_begin_alike() -> None:
    place = locate(HeadsSpace(DriveSpace(4), 2), CrossEntropyLoss(), 2.0)
    assert place is not None
    assert place.parameters["head_1.log_scale"] == place.parameters["log_scale"] == pytest.approx(0.693147)
