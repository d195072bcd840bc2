import pytest
import torch
from torch import nn

from glo_lightning.errors import GloError
from glo_lightning.losses import (
    CrossEntropyLoss,
    HeadsLoss,
    Loss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    num_parameters,
)
from glo_lightning.theory import smooth_labels


def random_theta(order: int, inputs: tuple[str, ...], seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_parameters(order, inputs), generator=generator, dtype=torch.float64).tolist()


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.9])
def test_the_smoothed_loss_sees_plain_labels_as_the_loss_sees_smoothed_ones(
    loss: Loss, num_classes: int, alpha: float
) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, num_classes, dtype=torch.float64, generator=generator).requires_grad_()
    hard = torch.arange(6) % num_classes
    soft = torch.rand(6, num_classes, dtype=torch.float64, generator=generator)
    soft = soft / soft.sum(-1, keepdim=True)
    smoothed = smooth_labels(loss, alpha, num_classes)
    assert type(smoothed) is type(loss)
    for target in (hard, soft):
        y = nn.functional.one_hot(target, num_classes).double() if target is hard else target
        expected = loss(logits, (1.0 - alpha) * y + alpha / num_classes)
        found = smoothed(logits, target)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            torch.autograd.grad(found, logits)[0],
            torch.autograd.grad(expected, logits)[0],
            rtol=1e-9,
            atol=1e-10,
        )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("inputs", [("y", "h"), ("h", "y"), ("y", "h", "t"), ("y", "h", "f"), ("h",)])
def test_any_taylor_loss_stays_one(order: int, folded: bool, inputs: tuple[str, ...]) -> None:
    loss = TaylorLoss(random_theta(order, inputs, seed=order), order, inputs, folded)
    if "t" in inputs:
        loss.progress = 0.25
    smoothed = smooth_labels(loss, 0.3, num_classes=5)
    assert smoothed.label_smoothing == 0.0
    logits = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.eye(5, dtype=torch.float64)[:4]
    torch.testing.assert_close(smoothed(logits, y), loss(logits, 0.7 * y + 0.06))


def test_smoothing_twice_smooths_more() -> None:
    twice = smooth_labels(smooth_labels(CrossEntropyLoss(), 0.5, 10), 0.5, 10)
    assert twice.label_smoothing == pytest.approx(0.75)


def test_what_a_loss_is_otherwise_is_kept() -> None:
    loss = TaylorLoss(random_theta(3, ("y", "h"), 0), class_reduction="mean", reduction="sum", label_smoothing=0.2)
    smoothed = smooth_labels(loss, 0.1, 10)
    assert (smoothed.class_reduction, smoothed.reduction, smoothed.label_smoothing) == ("mean", "sum", 0.2)
    assert smooth_labels(ScaledLoss(loss, 2.0), 0.1, 10).factor == 2.0


@pytest.mark.parametrize("inside", [CrossEntropyLoss(), TaylorLoss(random_theta(3, ("y", "h"), 0))])
def test_losses_inside_others_are_smoothed(inside: Loss) -> None:
    logits = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    single, yes = logits[:, 0], torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    loss = ScaledLoss(SigmoidLoss(inside), 2.0)
    smoothed = smooth_labels(loss, 0.3, num_classes=2)
    torch.testing.assert_close(smoothed(single, yes), loss(single, 0.7 * yes + 0.15))

    heads, target = (logits, 2.0 * logits), torch.arange(6) % 2
    of_heads = HeadsLoss([inside, ScaledLoss(inside, 0.5)])
    expected = of_heads(heads, 0.7 * nn.functional.one_hot(target).double() + 0.15)
    torch.testing.assert_close(smooth_labels(of_heads, 0.3, num_classes=2)(heads, target), expected)


@pytest.mark.parametrize("seed", range(3))
def test_training_on_smoothed_labels_and_with_the_smoothed_loss_is_the_same(seed: int) -> None:
    """Theorem 3 on a real network: five steps of SGD with momentum end in the same weights."""
    alpha, num_classes = 0.3, 7
    loss = TaylorLoss(random_theta(3, ("y", "h"), seed))
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(64, 12, dtype=torch.float64, generator=generator)
    target = torch.randint(num_classes, (64,), generator=generator)
    smoothed_target = (1.0 - alpha) * nn.functional.one_hot(target, num_classes).double() + alpha / num_classes

    def train(training_loss: Loss, labels: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, num_classes)).double()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        values = []
        for _ in range(5):
            optimizer.zero_grad()
            value = training_loss(network(inputs), labels)
            value.backward()
            optimizer.step()
            values.append(value.item())
        return nn.utils.parameters_to_vector(network.parameters()), values

    weights, values = train(smooth_labels(loss, alpha, num_classes), target)
    expected_weights, expected_values = train(loss, smoothed_target)
    torch.testing.assert_close(weights, expected_weights, rtol=1e-11, atol=1e-13)
    assert values == pytest.approx(expected_values, rel=1e-11)


@pytest.mark.parametrize("alpha", [1.0, -0.1, float("nan"), 2.0])
def test_refuses_alpha_outside_its_interval(alpha: float) -> None:
    with pytest.raises(GloError, match=r"alpha in \[0, 1\)"):
        smooth_labels(CrossEntropyLoss(), alpha, 10)
