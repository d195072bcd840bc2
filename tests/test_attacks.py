"""Attacks against closed forms and an independent library."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from glo_lightning.attacks import PixelSpace, evaluating, examples_of, fgsm, margin, parse_epsilon, pgd
from glo_lightning.errors import DataError, SettingsError

SPACE = PixelSpace((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 10)
    )


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def _normalised(pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (SPACE.mean, SPACE.std))
    return (pixels - mean) / std


def test_fgsm_and_pgd_agree_with_an_independent_library(network: nn.Module, pixels: Tensor) -> None:
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    target, epsilon = torch.arange(16) % 10, 8 / 255
    mean, std = (np.float32(values).reshape(-1, 1, 1) for values in (SPACE.mean, SPACE.std))
    classifier = PyTorchClassifier(
        network.eval(), nn.CrossEntropyLoss(), (3, 8, 8), 10, clip_values=(0.0, 1.0), preprocessing=(mean, std)
    )
    theirs = {
        "fgsm": FastGradientMethod(classifier, eps=epsilon),
        "pgd": ProjectedGradientDescent(
            classifier, eps=epsilon, eps_step=epsilon / 4, max_iter=10, num_random_init=0, verbose=False
        ),
    }
    inputs = _normalised(pixels)
    ours = {
        "fgsm": fgsm(network, inputs, target, epsilon, SPACE),
        "pgd": pgd(network, inputs, target, epsilon, SPACE, steps=10),
    }
    for name, attack in theirs.items():
        expected = torch.from_numpy(attack.generate(pixels.numpy(), target.numpy()))
        torch.testing.assert_close(SPACE.pixels(ours[name]), expected, rtol=0.0, atol=1e-5)


def test_fgsm_of_a_linear_model_moves_against_the_weights() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    inputs, target = _normalised(torch.full((1, 3, 1, 1), 0.5))[:, :1].expand(1, 1, 2, 2), torch.tensor([1])
    space = PixelSpace(SPACE.mean[:1], SPACE.std[:1])
    weight = model[1].weight
    expected = 0.5 + 0.1 * (weight[0] - weight[1]).sign().view(1, 1, 2, 2)
    torch.testing.assert_close(space.pixels(fgsm(model, inputs, target, 0.1, space)), expected)


def test_of_two_classes_the_margin_is_the_difference_of_the_logits() -> None:
    logits, target = torch.randn(6, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1, 0])
    signs = 2.0 * target - 1.0
    torch.testing.assert_close(margin(logits, target), (signs * (logits[:, 0] - logits[:, 1])).sum())


def test_a_sample_is_wrong_where_its_margin_is_positive(network: nn.Module, pixels: Tensor) -> None:
    target = torch.arange(16) % 10
    logits = network.eval()(_normalised(pixels)).detach()
    ahead = torch.stack([margin(each[None], label[None]) for each, label in zip(logits, target, strict=True)])
    assert torch.equal(ahead > 0.0, logits.argmax(1) != target)


def test_the_margin_of_positions_is_the_sum_of_theirs_and_has_the_gradient_of_finite_differences() -> None:
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(4, (2, 3, 5))
    flat = margin(logits.movedim(1, -1).reshape(-1, 4), target.reshape(-1))
    torch.testing.assert_close(margin(logits, target), flat)
    assert torch.autograd.gradcheck(lambda logits: margin(logits, target), logits)


def test_the_margin_attacks_the_same_whatever_the_scale_of_the_logits(network: nn.Module, pixels: Tensor) -> None:
    class Sure(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = network(inputs)
            return logits * 2.0**20

    inputs = _normalised(pixels)
    target = network.eval()(inputs).argmax(1)
    expected = pgd(network, inputs, target, 0.1, SPACE, margin)
    assert torch.equal(pgd(Sure(), inputs, target, 0.1, SPACE, margin), expected)
    assert torch.equal(fgsm(Sure(), inputs, target, 0.1, SPACE), inputs)  # cross-entropy's gradient has vanished


@settings(max_examples=25)
@given(epsilon=st.floats(0.0, 1.0), steps=st.integers(1, 4), seed=st.none() | st.integers(0, 9))
def test_attacks_stay_within_epsilon_and_the_pixel_range(epsilon: float, steps: int, seed: int | None) -> None:
    torch.manual_seed(0)
    model, pixels = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), torch.rand(5, 3, 4, 4)
    pixels[0], pixels[1] = 0.0, 1.0
    start = None if seed is None else torch.Generator().manual_seed(seed)
    moved = SPACE.pixels(pgd(model, _normalised(pixels), torch.arange(5) % 3, epsilon, SPACE, steps=steps, start=start))
    assert float((moved - pixels).abs().max()) <= epsilon + 1e-6
    assert float(moved.min()) >= -1e-6
    assert float(moved.max()) <= 1.0 + 1e-6


def test_epsilon_zero_changes_no_bit(network: nn.Module, pixels: Tensor) -> None:
    inputs, target = _normalised(pixels), torch.zeros(16, dtype=torch.int64)
    start = torch.Generator().manual_seed(0)
    for adversarial in (
        fgsm(network, inputs, target, 0.0, SPACE),
        pgd(network, inputs, target, 0.0, SPACE),
        pgd(network, inputs, target, 0.0, SPACE, start=start),
    ):
        assert torch.equal(adversarial, inputs)


def test_a_stronger_attack_raises_the_loss_more(network: nn.Module, pixels: Tensor) -> None:
    inputs, target = _normalised(pixels), torch.arange(16) % 10
    with evaluating(network):
        losses = [
            nn.functional.cross_entropy(network(moved), target).item()
            for moved in (
                inputs,
                fgsm(network, inputs, target, 0.05, SPACE),
                pgd(network, inputs, target, 0.05, SPACE),
                pgd(network, inputs, target, 0.1, SPACE),
            )
        ]
    assert losses == sorted(losses)
    assert losses[0] < losses[1]


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_attacks_work_where_gradients_are_off(network: nn.Module, pixels: Tensor, context: type) -> None:
    target = torch.zeros(16, dtype=torch.int64)
    expected = fgsm(network, _normalised(pixels), target, 0.1, SPACE)
    with context():
        inside = fgsm(network, _normalised(pixels.clone()), target.clone(), 0.1, SPACE)
    assert torch.equal(inside, expected)


def test_the_model_is_attacked_in_evaluation_mode_and_left_alone(network: nn.Module, pixels: Tensor) -> None:
    network.train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    inputs, target = _normalised(pixels), torch.zeros(16, dtype=torch.int64)
    assert torch.equal(fgsm(network, inputs, target, 0.1, SPACE), fgsm(network, inputs, target, 0.1, SPACE))
    with pytest.raises(RuntimeError):
        fgsm(network, inputs[:, :2], target, 0.1, PixelSpace())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_epsilon_may_be_written_in_grey_levels() -> None:
    assert parse_epsilon("8/255") == 8 / 255
    assert parse_epsilon("0.1") == parse_epsilon(0.1) == 0.1


@pytest.mark.parametrize("text", ["8", "-0.1", "x", "", "1/0", "nan", float("inf"), float("nan"), 1.5])
def test_an_impossible_epsilon_is_refused(text: str | float) -> None:
    with pytest.raises(SettingsError, match=r"an epsilon in \[0, 1\]"):
        parse_epsilon(text)


def test_a_data_module_must_say_how_it_normalises() -> None:
    with pytest.raises(DataError, match="mean and std"):
        PixelSpace.of(object())
    with pytest.raises(DataError, match="positive"):
        PixelSpace((0.5,), (0.0,))


def test_images_must_have_the_channels_that_were_normalised() -> None:
    with pytest.raises(DataError, match="each of the 48 channels of the inputs, or one for all, got 3"):
        SPACE.pixels(torch.zeros(2, 48))
    assert PixelSpace((0.5,), (0.25,)).pixels(torch.zeros(2, 48)).shape == (2, 48)


def test_what_is_no_example_is_described() -> None:
    inputs, target = examples_of([torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)])
    assert (inputs.shape, target.shape) == ((2, 3, 4, 4), (2, 4, 4))
    with pytest.raises(DataError, match=r"got \(float32 \(2, 1\), float32 \(2,\)\)"):
        examples_of([torch.zeros(2, 1), torch.zeros(2)])
    with pytest.raises(DataError, match="got dict"):
        examples_of({})
