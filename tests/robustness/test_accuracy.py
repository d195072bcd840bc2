"""Robustness curves, and the signs of a hidden gradient."""

import json

import pytest
import torch
from torch import Tensor, nn

from glo_lightning.attacks import PixelSpace, fgsm
from glo_lightning.losses import named_loss
from glo_lightning.robustness.accuracy import (
    BY_MARGIN,
    CROSS_ENTROPY,
    FGSM,
    PGD,
    RANDOM_START,
    TRANSFERRED_FGSM,
    TRANSFERRED_PGD,
)
from glo_lightning.robustness.accuracy import measure_robustness as measure

EPSILONS = (0.0, 0.05, 0.2)
SPACE = PixelSpace((0.4,), (0.5,))


class Saturated(nn.Module):
    """The same answers, with logits so large that the softmax has no gradient."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs) * 1e4


@pytest.fixture(scope="module")
def batches() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    target = torch.arange(240) % 3
    stripes = torch.arange(16).view(4, 4) % 3 == target.view(-1, 1, 1, 1)
    pixels = 0.3 + 0.4 * torch.rand(240, 1, 4, 4) + 0.25 * stripes
    inputs = (pixels - 0.4) / 0.5
    return list(zip(inputs.split(100), target.split(100), strict=True))


@pytest.fixture(scope="module")
def trained(batches: list[tuple[Tensor, Tensor]]) -> dict[str, nn.Module]:
    models = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(20):
            for inputs, target in batches:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), target).backward()
                optimizer.step()
        models[f"seed {seed}"] = model
    return models


def test_epsilon_zero_is_the_clean_accuracy_exactly(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    robustness = measure(trained, batches, EPSILONS, SPACE)
    assert robustness.num_images == 240
    for name, curve in robustness.curves.items():
        trained[name].eval()
        right = sum(int((trained[name](inputs).argmax(-1) == target).sum()) for inputs, target in batches)
        assert curve.clean == right / 240
        assert set(curve.accuracy) == {FGSM, PGD, RANDOM_START, BY_MARGIN, TRANSFERRED_FGSM, TRANSFERRED_PGD}
        assert all(accuracy[0] == curve.clean for accuracy in curve.accuracy.values())


def test_honest_models_fall_and_raise_no_suspicion(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    robustness = measure(trained, batches, EPSILONS, SPACE)
    for name, curve in robustness.curves.items():
        assert curve.accuracy[PGD][2] <= curve.accuracy[FGSM][2] < curve.clean
        assert curve.masking == ()
        trained[name].eval()
        moved = [(fgsm(trained[name], inputs, target, 0.2, SPACE), target) for inputs, target in batches]
        right = sum(int((trained[name](inputs).argmax(-1) == target).sum()) for inputs, target in moved)
        assert curve.accuracy[FGSM][2] == right / 240
    json.dumps(robustness.to_dict(), allow_nan=False)


def test_a_hidden_gradient_is_found_by_transfer(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    honest = trained["seed 0"]
    robustness = measure({"honest": honest, "masked": Saturated(honest)}, batches, EPSILONS, SPACE)
    signs = robustness.curves["masked"].masking
    assert {(sign.epsilon, sign.attack, sign.misled) for sign in signs} >= {
        (0.2, TRANSFERRED_FGSM, FGSM),
        (0.2, TRANSFERRED_PGD, PGD),
    }
    assert all(sign.accuracy < sign.misled_accuracy and sign.p_value < 0.01 for sign in signs)
    assert any("at epsilon 0.2, FGSM, transferred leaves" in str(sign) for sign in signs)
    assert robustness.curves["honest"].masking == ()


def test_a_hidden_gradient_is_found_by_the_margin_without_another_model(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    honest = measure({"honest": trained["seed 0"]}, batches, (0.2,), SPACE).curves["honest"]
    masked = measure({"masked": Saturated(trained["seed 0"])}, batches, (0.2,), SPACE).curves["masked"]
    assert (BY_MARGIN, PGD) in {(sign.attack, sign.misled) for sign in masked.masking}
    assert masked.accuracy[BY_MARGIN][0] < 0.5 < masked.accuracy[PGD][0]
    assert masked.accuracy[BY_MARGIN] == pytest.approx(honest.accuracy[BY_MARGIN], abs=0.01)


def test_without_another_model_nothing_is_transferred(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    robustness = measure({"only": trained["seed 0"]}, batches, (0.1,), SPACE, steps=2)
    assert set(robustness.curves["only"].accuracy) == {FGSM, PGD, RANDOM_START, BY_MARGIN}


def test_an_attack_by_an_evolved_loss_is_misled_and_cross_entropy_tells(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    only = {"only": trained["seed 0"]}
    curve = measure(only, batches, (0.2,), SPACE, {"only": named_loss("baikal")}).curves["only"]
    assert curve.accuracy[CROSS_ENTROPY] == measure(only, batches, (0.2,), SPACE).curves["only"].accuracy[PGD]
    assert (CROSS_ENTROPY, PGD) in {(sign.attack, sign.misled) for sign in curve.masking}


def test_the_same_seed_gives_the_same_curves(
    trained: dict[str, nn.Module], batches: list[tuple[Tensor, Tensor]]
) -> None:
    only = {"only": trained["seed 0"]}
    first, again = (measure(only, batches, (0.1,), SPACE, seed=3) for _ in range(2))
    assert first == again


def test_a_model_that_diverged_is_never_right() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    nn.init.constant_(model[1].bias, torch.nan)
    batches = [(torch.rand(20, 1, 4, 4), torch.zeros(20, dtype=torch.int64))]
    curve = measure({"diverged": model}, batches, (0.0, 0.1), PixelSpace((0.5,), (1.0,))).curves["diverged"]
    assert curve.clean == 0.0
    assert all(accuracy == 0.0 for each in curve.accuracy.values() for accuracy in each)


def test_labels_of_positions_count_one_by_one_and_signs_by_image() -> None:
    torch.manual_seed(0)
    honest = nn.Conv2d(1, 2, 1)
    nn.init.constant_(honest.weight, 1.0)
    honest.weight.data[0] = -1.0
    nn.init.zeros_(honest.bias)
    inputs = torch.randn(30, 1, 4, 4) * 0.2
    target = (inputs[:, 0] > 0.0).long()
    target[:, 0] = 1 - target[:, 0]  # a quarter is wrong from the start
    space = PixelSpace((0.5,), (1.0,))
    robustness = measure({"honest": honest, "masked": Saturated(honest)}, [(inputs, target)], (0.0, 0.2), space)
    assert robustness.num_images == 30
    assert all(curve.clean == 0.75 for curve in robustness.curves.values())
    assert robustness.curves["honest"].masking == ()
    signs = robustness.curves["masked"].masking
    assert {sign.attack for sign in signs} >= {TRANSFERRED_PGD}
    assert all(0.5**30 <= sign.p_value < 0.01 for sign in signs)
