import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.errors import GloError, LossError
from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    TaylorLoss,
    named_loss,
)
from glo_lightning.theory import attraction, drive, sample_attraction
from tests.losses.without_double import OnMps
from tests.theory.printed import printed_attraction

EPSILONS = torch.tensor([1e-9, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.999], dtype=torch.float64)


def exact_change(epsilon: float, delta: float) -> float:
    """Move the log-odds by delta, in 60 digits."""
    with mpmath.workdps(60):
        e, d = mpmath.mpf(epsilon), mpmath.mpf(delta)
        odds = (1 - e) / e * mpmath.exp(d)
        return float(odds / (1 + odds) - (1 - e))


@pytest.mark.parametrize("step", [1e-6, 1.0, 1e4])
def test_it_is_the_change_of_one_softmax_step(loss: Loss, num_classes: int, step: float) -> None:
    drives = drive(loss, 1.0 - EPSILONS, num_classes)
    found = attraction(loss, EPSILONS, num_classes, step)
    for epsilon, pull, change in zip(EPSILONS.tolist(), drives.tolist(), found.tolist(), strict=True):
        delta = step * num_classes / (num_classes - 1) * epsilon * (1.0 - epsilon) * pull
        assert change == pytest.approx(exact_change(epsilon, delta), rel=1e-12, abs=1e-300)


def test_a_symmetric_sample_feels_the_same(loss: Loss, num_classes: int) -> None:
    epsilons = EPSILONS[1:]
    h = (epsilons / (num_classes - 1)).unsqueeze(-1).repeat(1, num_classes)
    h[:, -1] = 1.0 - epsilons
    target = torch.full((len(h),), num_classes - 1)
    found = sample_attraction(loss, h.log(), target)
    torch.testing.assert_close(found, attraction(loss, epsilons, num_classes), rtol=1e-7, atol=1e-10)


def test_any_sample_takes_one_gradient_step_on_its_logits(loss: Loss) -> None:
    logits = torch.randn(50, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.arange(50) % 10
    class_factor = 10 if loss.class_reduction == "mean" else 1
    (gradient,) = torch.autograd.grad(class_factor * 50 * loss(logits, target), logits)
    rows = torch.arange(50)
    before, after = logits.softmax(-1)[rows, target], (logits - 0.3 * gradient).softmax(-1)[rows, target]
    torch.testing.assert_close(sample_attraction(loss, logits, target, 0.3), (after - before).detach())


def test_samples_on_a_device_without_double_precision_are_judged_on_the_cpu() -> None:
    loss, logits, target = named_loss("taylorglo_1"), torch.randn(2, 10), torch.tensor([3, 0])
    found = sample_attraction(loss, OnMps(logits), OnMps(target))
    torch.testing.assert_close(found, sample_attraction(loss, logits, target))


@pytest.mark.parametrize("logit", [1e4, -1e4, 700.0, 40.0])
def test_saturated_samples_give_finite_changes(logit: float) -> None:
    logits = torch.zeros(1, 10)
    logits[0, 3] = logit
    for loss in (CrossEntropyLoss(), MeanSquaredErrorLoss(), named_loss("taylorglo_2")):
        change = sample_attraction(loss, logits, torch.tensor([3])).item()
        assert math.isfinite(change)
        assert abs(change) <= 1.0


def test_small_changes_keep_their_digits() -> None:
    # s n / (n - 1) eps^2 D, far below what 1 - h_T could hold in float64 next to 1
    logits = torch.tensor([[30.0, 0.0, 0.0]], dtype=torch.float64)
    epsilon = 2.0 * math.exp(-30.0)
    change = sample_attraction(MeanSquaredErrorLoss(), logits, torch.tensor([0]), step=1e-3).item()
    expected = 1e-3 * 1.5 * epsilon**2 * 3.0 * epsilon
    assert change == pytest.approx(expected, rel=1e-6)


@given(
    theta=st.lists(st.floats(-5.0, 5.0), min_size=8, max_size=8),
    epsilon=st.floats(1e-6, 1.0 - 1e-6),
    step=st.floats(1e-4, 1e3),
    num_classes=st.sampled_from([2, 3, 10, 1000]),
)
def test_its_sign_is_that_of_the_drive(theta: list[float], epsilon: float, step: float, num_classes: int) -> None:
    loss = TaylorLoss(theta)
    change = attraction(loss, epsilon, num_classes, step).item()
    pull = drive(loss, 1.0 - epsilon, num_classes).item()
    assert change * pull >= 0.0
    assert -1.0 <= change <= 1.0


def test_known_values() -> None:
    epsilons = torch.tensor([0.01, 0.1, 0.5, 0.9], dtype=torch.float64)
    expected = {
        MeanSquaredErrorLoss(): [2.42e-6, 0.00198, 0.0766, 0.0195],
        CrossEntropyLoss(): [1.09e-4, 0.00957, 0.1354, 0.1320],
        BaikalLoss(): [-0.985, -0.899, -0.466, 0.900],
        named_loss("taylorglo_1"): [-0.00103, -0.0952, -0.0691, 0.0989],
    }
    for loss, values in expected.items():
        assert attraction(loss, epsilons, 10).tolist() == pytest.approx(values, rel=6e-3)


@pytest.mark.parametrize(
    ("loss", "exact", "printed"),
    [
        (BaikalLoss(), 0.6838, 0.7373),
        (BaikalCMALoss(), 0.6109, 0.6551),
        (named_loss("taylorglo_1"), 0.5497, None),
        (named_loss("taylorglo_2"), 0.4692, None),
    ],
    ids=["baikal", "baikal_cma", "taylorglo_1", "taylorglo_2"],
)
def test_where_the_sign_changes_and_where_the_printed_form_has_it(
    loss: Loss, exact: float, printed: float | None
) -> None:
    epsilons = torch.linspace(0.0, 1.0, 100_001, dtype=torch.float64)[1:-1]

    def first_positive(changes: torch.Tensor) -> float | None:
        rising = (changes > 0.0).nonzero()
        return float(epsilons[rising[0]]) if len(rising) else None

    assert first_positive(attraction(loss, epsilons, 10)) == pytest.approx(exact, abs=1e-4)
    found = first_positive(printed_attraction(loss, epsilons, 10))
    assert found is None if printed is None else found == pytest.approx(printed, abs=1e-4)


def test_the_printed_form_agrees_where_its_slip_vanishes() -> None:
    torch.testing.assert_close(printed_attraction(BaikalLoss(), EPSILONS, 2), attraction(BaikalLoss(), EPSILONS, 2))
    torch.testing.assert_close(
        printed_attraction(CrossEntropyLoss(), EPSILONS, 10), attraction(CrossEntropyLoss(), EPSILONS, 10)
    )


def test_the_printed_form_depends_on_a_constant_that_training_cannot_feel() -> None:
    one, other = (
        TaylorLoss([0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0]),
        TaylorLoss([0.0, 0.0, 5.0, -2.0, 0.0, 2.0, 0.0, 0.0]),
    )
    torch.testing.assert_close(attraction(one, EPSILONS, 10), attraction(other, EPSILONS, 10))
    assert abs(printed_attraction(one, 0.5, 10) - printed_attraction(other, 0.5, 10)).item() > 0.01


@pytest.mark.parametrize("epsilon", [0.0, 1.0, -0.5, 2.0, float("nan"), float("inf")])
def test_refuses_epsilon_outside_the_open_interval(epsilon: float) -> None:
    with pytest.raises(GloError, match=r"epsilon inside \(0, 1\)"):
        attraction(CrossEntropyLoss(), epsilon, 10)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan")])
def test_refuses_a_step_that_is_not_positive(step: float) -> None:
    with pytest.raises(GloError, match="positive step"):
        attraction(CrossEntropyLoss(), 0.5, 10, step)
    with pytest.raises(GloError, match="positive step"):
        sample_attraction(CrossEntropyLoss(), torch.zeros(1, 3), torch.tensor([0]), step)


def test_refuses_wrong_labels() -> None:
    with pytest.raises(LossError):
        sample_attraction(CrossEntropyLoss(), torch.zeros(1, 3), torch.tensor([3]))
