"""Drive losses as a space, and with classes counted."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glo_lightning.losses import ClassAwareLoss, CrossEntropyLoss, DriveLoss, SigmoidLoss, known_losses
from glo_lightning.search import Range
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.drive import KNOWN, DriveSpace, TwoSidedDriveSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace, HeadsSpace
from glo_lightning.theory import startup_drive


def test_the_start_is_cross_entropy() -> None:
    space = DriveSpace(7)
    logits, target = torch.randn(5, 7), torch.arange(5)
    loss = space.build(dict(zip(space.distributions, space.cross_entropy, strict=True)))
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss()(logits, target))


@given(st.floats(-5.0, 5.0), st.floats(-0.95, 16.0), st.floats(-0.95, 16.0), st.floats(-9.0, 9.0))
@settings(max_examples=25)
def test_everything_within_the_bounds_is_a_loss(log_scale: float, q: float, g: float, c: float) -> None:
    loss = DriveSpace(5).build({"log_scale": log_scale, "q": q, "g": g, "c_1": c, "c_2": -c})
    assert startup_drive(loss, 5) == pytest.approx(5.0 * math.exp(log_scale), rel=1e-9)


def test_without_a_scale_the_size_of_steps_is_somebody_elses() -> None:
    assert "log_scale" not in DriveSpace(5, with_scale=False).distributions
    asked = SearchSettings(family="drive", joint={"learning_rate_factor": Range(0.1, 10.0, log=True)})
    assert isinstance(make_space(asked, 5), DriveSpace)
    assert "log_scale" not in make_space(asked, 5).distributions
    assert "log_scale" in make_space(SearchSettings(family="drive"), 5).distributions


def test_class_aware_losses_begin_as_the_loss_inside() -> None:
    space = ClassAwareSpace(DriveSpace(3), [8, 4, 1])
    loss = space.build(dict(zip(space.distributions, space.cross_entropy, strict=True)))
    assert isinstance(loss, ClassAwareLoss)
    logits, target = torch.randn(5, 3), torch.arange(5) % 3
    torch.testing.assert_close(loss(logits, target), DriveLoss(num_classes=3)(logits, target))
    assert space.scales == DriveSpace(3).scales


@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_the_literatures_members_are_points_of_the_space(num_classes: int) -> None:
    space, known = DriveSpace(num_classes), known_losses(num_classes)
    logits, target = torch.randn(64, num_classes, dtype=torch.float64), torch.randint(num_classes, (64,))
    names = "cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy"
    for name, point in zip((*names, "asymmetric_generalised_cross_entropy"), space.known, strict=True):
        loss = space.build(dict(zip(space.distributions, point, strict=True)))
        torch.testing.assert_close(loss(logits, target), known[name].loss(logits, target))


def test_the_literatures_members_are_within_the_bounds_of_any_task_and_keep_their_shape_without_a_scale() -> None:
    for space in (DriveSpace(10**7), ClassAwareSpace(DriveSpace(3), [8, 4, 1]), HeadsSpace(DriveSpace(3), 2)):
        for point in space.known:
            parameters = dict(zip(space.distributions, point, strict=True))
            assert all(each.low <= parameters[name] <= each.high for name, each in space.distributions.items())
            space.build(parameters)
    scales = [math.exp(point[0]) for point in DriveSpace(10**7).known]
    assert scales == pytest.approx([float(DriveLoss.like(name, 10**7, q=q).scale) for name, q in KNOWN])
    with_scale, without = DriveSpace(5).known, DriveSpace(5, with_scale=False).known
    assert [point[1:] for point in with_scale] == without


def test_class_aware_losses_of_the_literature_have_their_logits_adjusted() -> None:
    space = ClassAwareSpace(DriveSpace(3), [8, 4, 1])
    loss = space.build(dict(zip(space.distributions, space.known[0], strict=True)))
    logits, target = torch.randn(5, 3), torch.arange(5) % 3
    adjusted = known_losses(3, [8, 4, 1])["logit_adjusted"].loss
    torch.testing.assert_close(loss(logits, target), adjusted(logits, target))


def test_sigmoid_outputs_have_a_drive_for_yes_and_one_for_no() -> None:
    asked = SearchSettings(family="drive", outputs="sigmoid")
    space = make_space(asked, 2)
    assert isinstance(space, TwoSidedDriveSpace)
    parameters = dict(zip(space.distributions, space.cross_entropy, strict=True))
    logits, labels = torch.randn(5, 3), torch.rand(5, 3)
    found = as_asked(space, asked, 2).build(parameters)(logits, labels)
    torch.testing.assert_close(found, torch.nn.functional.binary_cross_entropy_with_logits(logits, labels))
    adam = SearchSettings(family="drive", outputs="sigmoid", joint={"learning_rate_factor": Range(0.1, 10.0, log=True)})
    assert "log_scale" not in make_space(adam, 2).distributions


EXPONENTS = st.floats(-0.95, 16.0)


@given(st.floats(-5.0, 5.0), st.floats(-16.0, 16.0), st.tuples(EXPONENTS, EXPONENTS, EXPONENTS, EXPONENTS))
@settings(max_examples=25)
def test_everything_two_sided_within_the_bounds_is_a_loss(
    log_scale: float, balance: float, exponents: tuple[float, ...]
) -> None:
    space = TwoSidedDriveSpace()
    loss = space.build(dict(zip(space.distributions, (log_scale, balance, *exponents), strict=True)))
    assert startup_drive(SigmoidLoss(loss), 2) == pytest.approx(2.0 * math.exp(log_scale), rel=1e-9)
