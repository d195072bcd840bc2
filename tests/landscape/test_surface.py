"""Surfaces around a model, against the model itself and against directions computed by hand."""

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from glo_lightning.errors import SettingsError
from glo_lightning.landscape.surface import Surface, grid, measure_surface, random_directions

Batches = list[tuple[Tensor, Tensor]]


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 3)
    )
    model(torch.randn(20, 1, 4, 4))  # gives the running statistics values of their own
    return model


@pytest.fixture
def batches() -> Batches:
    generator = torch.Generator().manual_seed(1)
    inputs, target = torch.randn(50, 1, 4, 4, generator=generator), torch.arange(50) % 3
    return list(zip(inputs.split(20), target.split(20), strict=True))


def _accuracy_and_loss(model: nn.Module, batches: Batches) -> tuple[float, float]:
    model.eval()
    with torch.no_grad():
        outputs = [(model(inputs), target) for inputs, target in batches]
    right = sum(int((logits.argmax(-1) == target).sum()) for logits, target in outputs)
    return right / 50, sum(float(cross_entropy(logits, target, reduction="sum")) for logits, target in outputs) / 50


@pytest.mark.parametrize("count", [1, 2])
def test_the_middle_is_the_model_exactly(network: nn.Module, batches: Batches, count: int) -> None:
    surface = measure_surface(network, batches, random_directions(network, count, 0), grid(1.0, 5))
    assert (float(surface.accuracy[surface.centre]), float(surface.loss[surface.centre])) == _accuracy_and_loss(
        network, batches
    )
    assert surface.accuracy.shape == surface.loss.shape == (5,) * count


def test_a_point_is_the_model_with_moved_weights(network: nn.Module, batches: Batches) -> None:
    first, second = random_directions(network, 2, 0)
    surface = measure_surface(network, batches, [first, second], grid(1.0, 5))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight += 0.5 * first[name] - 1.0 * second[name]
    assert _accuracy_and_loss(network, batches) == pytest.approx(
        (float(surface.accuracy[3, 0]), float(surface.loss[3, 0])), rel=1e-6
    )


def test_the_model_is_left_as_it_was_even_after_a_crash(network: nn.Module, batches: Batches) -> None:
    network.train()
    network[1].eval()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    weights = [id(weight) for weight in network.parameters()]
    directions = random_directions(network, 2, 0)
    measure_surface(network, batches, directions, grid(1.0, 3))
    with pytest.raises(RuntimeError):
        measure_surface(network, [*batches, (torch.zeros(2, 2, 4, 4), torch.zeros(2))], directions, grid(1.0, 3))
    assert [module.training for module in network.modules()] == modes
    assert [id(weight) for weight in network.parameters()] == weights
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_filters_keep_their_norms_and_biases_and_batch_norm_stay(network: nn.Module) -> None:
    for direction in random_directions(network, 2, 0):
        for name, weight in network.named_parameters():
            if name in ("0.weight", "5.weight"):
                torch.testing.assert_close(direction[name].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))
            else:
                assert not direction[name].any()


def test_models_share_their_directions_up_to_norms(network: nn.Module) -> None:
    other = nn.Sequential(*(nn.Conv2d(1, 4, 3), *network[1:]))
    (mine,), (others,) = random_directions(network, 1, 7), random_directions(other, 1, 7)
    cosines = nn.functional.cosine_similarity(mine["0.weight"].flatten(1), others["0.weight"].flatten(1))
    torch.testing.assert_close(cosines, torch.ones(4))
    first, second = random_directions(network, 2, 7)
    assert torch.equal(first["5.weight"], mine["5.weight"])
    assert not torch.equal(first["5.weight"], second["5.weight"])


def test_a_dead_filter_stays_dead(network: nn.Module) -> None:
    with torch.no_grad():
        network[0].weight[2] = 0.0
    (direction,) = random_directions(network, 1, 0)
    assert direction["0.weight"].isfinite().all()
    assert not direction["0.weight"][2].any()


def test_flatness_is_the_mean_accuracy_within_the_radius() -> None:
    coordinates = grid(1.0, 5)
    accuracy = torch.zeros(5, 5, dtype=torch.float64)
    accuracy[2, 2], accuracy[2, 1], accuracy[0, 0] = 1.0, 0.5, 0.9
    surface = Surface(coordinates, accuracy, accuracy)
    assert surface.flatness(0.5) == pytest.approx(1.5 / 5)  # the middle and its four neighbours
    assert surface.flatness(0.1) == 1.0
    line = Surface(coordinates, accuracy[2], accuracy[2])
    assert line.flatness(0.5) == pytest.approx(1.5 / 3)
    for radius in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(SettingsError, match="radius"):
            surface.flatness(radius)


def test_the_grid_has_the_model_in_its_middle() -> None:
    for span, points in ((1.0, 21), (0.3, 7), (2.5, 101)):
        steps = grid(span, points)
        assert steps[points // 2] == 0.0
        assert steps[-1] == -steps[0] == span
    for span, points in ((1.0, 4), (1.0, 1), (0.0, 5), (-1.0, 5), (float("inf"), 5)):
        with pytest.raises(SettingsError, match="odd"):
            grid(span, points)


def test_a_loss_without_a_value_is_stored_as_none(network: nn.Module, batches: Batches) -> None:
    surface = Surface(grid(1.0, 3), torch.ones(3), torch.tensor([float("inf"), 0.5, float("nan")]))
    stored = json.loads(json.dumps(surface.to_dict(), allow_nan=False))
    assert stored["loss"] == [None, 0.5, None]


def test_a_model_that_diverged_is_never_right(network: nn.Module, batches: Batches) -> None:
    nn.init.constant_(network[-1].bias, torch.nan)
    surface = measure_surface(network, batches, random_directions(network, 1, 0), grid(1.0, 3))
    assert surface.accuracy.tolist() == [0.0, 0.0, 0.0]


def test_labels_of_positions_count_one_by_one() -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(1, 3, 1)
    inputs, target = torch.randn(6, 1, 4, 4), torch.arange(96).view(6, 4, 4) % 3
    surface = measure_surface(model, [(inputs, target)], random_directions(model, 1, 0), grid(1.0, 3))
    logits = model(inputs)
    assert float(surface.accuracy[1]) == pytest.approx(float((logits.argmax(1) == target).double().mean()))
    assert float(surface.loss[1]) == pytest.approx(float(cross_entropy(logits, target)), rel=1e-6)
