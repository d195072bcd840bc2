import pytest
import torch

from glo_lightning.errors import GloError, LossError
from glo_lightning.losses import CrossEntropyLoss, Loss, TaylorLoss
from glo_lightning.theory import drive, gamma_polynomials, symmetric_gamma, trainability
from glo_lightning.theory.gamma import logit_gradient

CONFIDENCES = torch.tensor([1e-3, 0.05, 0.3, 0.5, 0.9, 0.999], dtype=torch.float64)


def symmetric_logits(confidence: torch.Tensor, num_classes: int) -> torch.Tensor:
    others = ((1.0 - confidence) / (num_classes - 1)).unsqueeze(-1).expand(-1, num_classes - 1)
    return torch.cat([confidence.unsqueeze(-1), others], -1).log()


def test_drive_is_what_autograd_finds_on_the_logits(loss: Loss, num_classes: int) -> None:
    logits = symmetric_logits(CONFIDENCES, num_classes).requires_grad_()
    target = torch.zeros(len(logits), dtype=torch.int64)
    class_factor = num_classes if loss.class_reduction == "mean" else 1
    (gradient,) = torch.autograd.grad(loss(logits, target) * len(logits) * class_factor, logits)
    expected = -gradient[:, 0] / (CONFIDENCES * (1.0 - CONFIDENCES))
    found = drive(loss, CONFIDENCES, num_classes)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8 * (1.0 + found.abs().max().item()))


def test_drive_of_a_black_box_is_that_of_the_loss(loss: Loss, num_classes: int) -> None:
    class_factor = num_classes if loss.class_reduction == "mean" else 1
    found = drive(lambda logits, target: class_factor * loss(logits, target), CONFIDENCES, num_classes)
    expected = drive(loss, CONFIDENCES, num_classes)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8 * (1.0 + expected.abs().max().item()))


def test_torch_cross_entropy_is_cross_entropy() -> None:
    found = drive(torch.nn.CrossEntropyLoss(reduction="sum"), CONFIDENCES, 10)
    torch.testing.assert_close(found, drive(CrossEntropyLoss(), CONFIDENCES, 10))


def test_a_black_box_may_have_weights_of_its_own_precision() -> None:
    weighted = torch.nn.CrossEntropyLoss(weight=torch.full((10,), 0.25), reduction="sum")
    torch.testing.assert_close(drive(weighted, CONFIDENCES, 10), 0.25 * drive(CrossEntropyLoss(), CONFIDENCES, 10))
    assert trainability(weighted, 10).drive == pytest.approx(2.5)
    assert weighted.weight.dtype == torch.float32


def test_a_constant_in_gamma_does_not_move_the_drive() -> None:
    theta = [0.1, 0.4, 1.0, -2.0, 0.7, 3.0, 0.4, -1.1]
    shifted = [0.1, 0.4, 101.0, -2.0, 0.7, 3.0, 0.4, -1.1]
    torch.testing.assert_close(drive(TaylorLoss(shifted), CONFIDENCES, 10), drive(TaylorLoss(theta), CONFIDENCES, 10))


def test_gamma_polynomials_are_gamma(num_classes: int) -> None:
    loss = TaylorLoss([0.3, -0.2, 1.0, -2.0, 0.7, 3.0, 0.4, -1.1], label_smoothing=0.2)
    h = torch.linspace(0.0, 1.0, 7, dtype=torch.float64)
    target, _ = symmetric_gamma(loss, h, num_classes)
    _, nontarget = symmetric_gamma(loss, 1.0 - h * (num_classes - 1), num_classes)
    for polynomial, expected in zip(gamma_polynomials(loss, num_classes), (nontarget, target), strict=True):
        torch.testing.assert_close(sum(c * h**j for j, c in enumerate(polynomial)), expected)


def test_logit_gradient_is_each_samples_own(num_classes: int) -> None:
    loss = TaylorLoss([0.3, -0.2, 1.0, -2.0, 0.7, 3.0, 0.4, -1.1], class_reduction="mean")
    logits = torch.randn(5, num_classes, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.arange(5) % num_classes
    h, y = logits.softmax(-1), torch.nn.functional.one_hot(target, num_classes).double()
    gamma = loss.gamma(h, y)
    expected = -h * (gamma - (gamma * h).sum(-1, keepdim=True))
    torch.testing.assert_close(logit_gradient(loss, logits, target), expected)
    black_box = logit_gradient(lambda f, t: loss(f, t), logits, target)
    torch.testing.assert_close(black_box, expected / num_classes)


def test_losses_of_unscaled_logits_have_a_drive_too() -> None:
    # l = -y f pulls the target's logit up by 1, and softmax weights take no part.
    loss = TaylorLoss([0.0, 0.0, 0.0, 0.0, 1.0], order=2, inputs=("y", "f"))
    confidences = torch.tensor([0.25, 0.6], dtype=torch.float64)
    expected = (1.0 - 1.0 / 4) / (confidences * (1.0 - confidences))
    torch.testing.assert_close(drive(loss, confidences, 4), expected)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, float("nan")])
def test_refuses_confidences_outside_the_open_interval(confidence: float) -> None:
    with pytest.raises(GloError, match=r"inside \(0, 1\)"):
        drive(CrossEntropyLoss(), confidence, 10)


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.0, True])
def test_refuses_fewer_than_two_classes(num_classes: int) -> None:
    with pytest.raises(GloError, match="num_classes of 2 or more"):
        drive(CrossEntropyLoss(), 0.5, num_classes)


def test_polynomials_of_unscaled_logits_are_refused() -> None:
    with pytest.raises(LossError):
        gamma_polynomials(TaylorLoss([0.0] * 5, order=2, inputs=("y", "f")), 10)
