import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    TaylorLoss,
    cross_entropy_taylor,
    mean_squared_error_taylor,
    named_loss,
    num_parameters,
)
from glo_lightning.theory import CanonicalForm, canonical, canonical_terms

INPUTS = ("y", "h")


def random_loss(order: int, generator: torch.Generator, **options: object) -> TaylorLoss:
    theta = 1.2 * torch.randn(num_parameters(order, INPUTS), generator=generator, dtype=torch.float64)
    return TaylorLoss(theta, order, **options)


def gradient(loss: Loss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


def batch(num_classes: int, labels: str, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    logits = 2.0 * torch.randn(8, num_classes, generator=generator, dtype=torch.float64)
    if labels == "hard":
        return logits, torch.randint(num_classes, (8,), generator=generator)
    return logits, torch.randn(8, num_classes, generator=generator, dtype=torch.float64).softmax(-1)


def test_a_thousand_random_losses_keep_their_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    for trial in range(1000):
        order, num_classes = 1 + trial % 5, (2, 3, 10)[trial % 3]
        labels = ("hard", "soft")[trial // 3 % 2]
        loss = random_loss(order, generator, folded=bool(trial % 2))
        same = canonical(loss, num_classes, labels).to_loss()
        logits, target = batch(num_classes, labels, generator)
        expected = gradient(loss, logits, target)
        scale = loss.gamma_coefficients().abs().max().item()
        torch.testing.assert_close(gradient(same, logits, target), expected, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_training_follows_the_same_trajectory(seed: int, optimizer: type[torch.optim.Optimizer]) -> None:
    loss = random_loss(3, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(5, (40,), generator=generator)

    def train(training_loss: Loss) -> torch.Tensor:
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()
        steps = optimizer(network.parameters(), lr=0.01)
        for _ in range(10):
            steps.zero_grad()
            training_loss(network(inputs), target).backward()
            steps.step()
        return nn.utils.parameters_to_vector(network.parameters())

    torch.testing.assert_close(train(canonical(loss).to_loss()), train(loss), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("labels", "binary", "counts"),
    [
        ("hard", False, {1: 0, 2: 2, 3: 4, 4: 6, 5: 8, 9: 16}),
        ("soft", False, {1: 0, 2: 2, 3: 5, 4: 9, 5: 14, 9: 44}),
        ("hard", True, {1: 0, 2: 2, 3: 2, 4: 4, 5: 4, 9: 8}),
        ("soft", True, {1: 0, 2: 2, 3: 2, 4: 6, 5: 6, 9: 20}),
    ],
)
def test_the_number_of_identifiable_parameters(labels: str, binary: bool, counts: dict[int, int]) -> None:
    assert {order: len(canonical_terms(order, labels, binary)) for order in counts} == counts


@pytest.mark.parametrize("labels", ["hard", "soft"])
@pytest.mark.parametrize("num_classes", [2, 3, 5])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_training_can_tell_exactly_these_parameters_apart(labels: str, num_classes: int, order: int) -> None:
    """The gradient is linear in the coefficients: its rank over many samples is what training can identify."""
    generator = torch.Generator().manual_seed(0)
    samples = [batch(num_classes, labels, generator) for _ in range(12)]
    rows = []
    for coefficient in range(num_parameters(order, INPUTS) - 2):
        theta = torch.zeros(num_parameters(order, INPUTS), dtype=torch.float64)
        theta[2 + coefficient] = 1.0
        loss = TaylorLoss(theta, order, folded=True)
        rows.append(torch.cat([gradient(loss, *sample).flatten() for sample in samples]))
    rank = torch.linalg.matrix_rank(torch.stack(rows), atol=1e-10).item()
    assert rank == len(canonical_terms(order, labels, num_classes == 2))


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("labels", ["hard", "soft"])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_parameters_to_loss_and_back(num_classes: int, labels: str, order: int) -> None:
    binary = num_classes == 2
    parameters = torch.randn(len(canonical_terms(order, labels, binary)), dtype=torch.float64).tolist()
    form = CanonicalForm(tuple(parameters), order, labels, binary)
    again = canonical(form.to_loss(), num_classes, labels)
    assert again == form
    if order == again.order:
        assert again.parameters == pytest.approx(form.parameters, abs=1e-12)


@given(
    theta=st.lists(st.floats(-3.0, 3.0), min_size=8, max_size=8),
    centers=st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0)),
    constant=st.floats(-100.0, 100.0),
)
def test_moving_the_centre_and_shifting_gamma_change_nothing(
    theta: list[float], centers: tuple[float, float], constant: float
) -> None:
    loss = TaylorLoss(theta)
    c = loss.gamma_coefficients()
    u0, u1 = centers
    t4, t6, t7 = 2.0 * c[2, 0], c[1, 1], 2.0 * c[0, 2]
    t3, t5 = c[1, 0] + t4 * u1 + t6 * u0, c[0, 1] + t6 * u1 + t7 * u0
    moved = TaylorLoss(torch.stack([t3.new_tensor(u0), t3.new_tensor(u1), t3.new_tensor(constant), t3, t4, t5, t6, t7]))
    assert canonical(loss) == canonical(moved)


def test_losses_that_train_alike_are_equal_and_others_are_not() -> None:
    mse = canonical(MeanSquaredErrorLoss())
    assert mse == canonical(mean_squared_error_taylor(3)) == canonical(mean_squared_error_taylor(5))
    assert mse == canonical(ScaledLoss(mean_squared_error_taylor(2), 1.0))
    assert mse != canonical(ScaledLoss(MeanSquaredErrorLoss(), 1.001))
    assert mse != canonical(MeanSquaredErrorLoss(class_reduction="mean"))
    assert mse != canonical(MeanSquaredErrorLoss(), num_classes=2)
    assert mse != canonical(MeanSquaredErrorLoss(), labels="soft")
    assert mse != (-2.0, 0.0, 2.0, 0.0)
    assert canonical(cross_entropy_taylor(3)) != canonical(cross_entropy_taylor(4))
    assert canonical(TaylorLoss([0.0] * 8)) == canonical(TaylorLoss([1.0, 2.0, 3.0], order=1))


def test_label_smoothing_is_part_of_the_form() -> None:
    loss = TaylorLoss(named_loss("taylorglo_1").theta, folded=True, label_smoothing=0.1)
    same = canonical(loss, num_classes=10).to_loss()
    assert same.label_smoothing == 0.0
    logits, target = batch(10, "hard", torch.Generator().manual_seed(0))
    torch.testing.assert_close(gradient(same, logits, target), gradient(loss, logits, target), rtol=1e-9, atol=1e-9)
    with pytest.raises(LossError, match="num_classes"):
        canonical(loss)


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyLoss(),
        BaikalLoss(),
        ScaledLoss(CrossEntropyLoss(), 2.0),
        TaylorLoss([0.0] * 5, order=2, inputs=("y", "f")),
        TaylorLoss([0.0] * 13, inputs=("y", "h", "t")),
    ],
)
def test_refuses_what_is_no_polynomial_of_label_and_scaled_logit(loss: Loss) -> None:
    with pytest.raises(LossError, match="polynomial"):
        canonical(loss)


def test_refuses_bad_parameters() -> None:
    with pytest.raises(LossError, match="4 finite parameters"):
        CanonicalForm((1.0, 2.0), order=3)
    with pytest.raises(LossError, match="4 finite parameters"):
        CanonicalForm((1.0, 2.0, 3.0, float("nan")), order=3)
    with pytest.raises(LossError, match="order of 1 or more"):
        canonical_terms(0)
    with pytest.raises(LossError, match="labels 'hard' or 'soft'"):
        canonical_terms(3, "firm")
