"""The largest eigenvalue of the Hessian against the whole Hessian."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, hessian
from torch.nn.functional import cross_entropy

from glo_lightning.landscape.curvature import top_eigenvalue
from glo_lightning.losses import named_loss


def _dense(model: nn.Module, inputs: Tensor, target: Tensor, loss: nn.Module) -> Tensor:
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    sizes = [weight.numel() for weight in weights.values()]

    def value(flat: Tensor) -> Tensor:
        parts = zip(weights.items(), flat.split(sizes), strict=True)
        return loss(functional_call(model, {name: part.view_as(w) for (name, w), part in parts}, (inputs,)), target)

    return hessian(value)(torch.cat([weight.flatten() for weight in weights.values()]))


@pytest.mark.parametrize("loss", [cross_entropy, named_loss("taylorglo_1").double()], ids=["cross_entropy", "evolved"])
def test_it_is_the_largest_eigenvalue_of_the_whole_hessian(loss: nn.Module) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8, 3)
    ).double()
    inputs, target = torch.randn(24, 1, 4, 4, dtype=torch.float64), torch.arange(24) % 3
    batches = list(zip(inputs.split(10), target.split(10), strict=True))
    found = top_eigenvalue(model, batches, loss, tolerance=1e-9)
    expected = torch.linalg.eigvalsh(_dense(model.eval(), inputs, target, loss))[-1]
    assert found == pytest.approx(float(expected), rel=1e-7)
    assert all(weight.grad is None for weight in model.parameters())


def test_weights_that_do_nothing_in_evaluation_are_flat() -> None:
    inputs, target = torch.randn(24, 4, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
    model = nn.Linear(4, 3)
    alone = top_eigenvalue(model, [(inputs, target)])
    model.auxiliary_head = nn.Linear(2, 2)
    assert top_eigenvalue(model, [(inputs, target)]) == pytest.approx(alone, rel=1e-3)


def test_a_loss_without_a_value_has_no_eigenvalue(capfd: pytest.CaptureFixture[str]) -> None:
    model, inputs = nn.Linear(3, 2), torch.full((4, 3), float("inf"))
    assert top_eigenvalue(model, [(inputs, torch.arange(4) % 2)]) is None


def test_the_largest_is_meant_not_the_one_of_largest_magnitude() -> None:
    model = nn.Linear(2, 1, bias=False).double()
    inputs = torch.eye(2, dtype=torch.float64)

    def saddle(outputs: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (outputs[0, 0] ** 2 - 9.0 * outputs[1, 0] ** 2)

    assert top_eigenvalue(model, [(inputs, torch.zeros(2))], saddle) == pytest.approx(1.0)


def test_labels_of_positions_count_one_by_one() -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(1, 3, 1).double()
    images = [torch.randn(1, 1, size, size, dtype=torch.float64) for size in (2, 4)]
    batches = [(image, (image[:, 0] > 0.0).long()) for image in images]
    pixels = torch.cat([image.view(-1, 1, 1, 1) for image in images])
    labels = torch.cat([target.view(-1, 1, 1) for _, target in batches])
    assert top_eigenvalue(model, batches) == pytest.approx(top_eigenvalue(model, [(pixels, labels)]))
