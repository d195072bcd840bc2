"""The estimate of memory: what is known exactly, and what follows from it."""

import pytest
import torch
from torch import nn

from glo_lightning.models import mlp, small_cnn
from glo_lightning.training.population.memory import free_memory, models_that_fit, saved_bytes


def test_what_a_forward_pass_keeps_is_counted_once() -> None:
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    inputs, hidden, weights = 32 * 8, 32 * 16, 16 * 4
    # the inputs, the outputs of the ReLU (which both the ReLU and the layer after need), weights, and the outputs
    assert saved_bytes(network, torch.rand(32, 8)) == 4 * (inputs + hidden + weights + 32 * 4)


@pytest.mark.parametrize("network", [mlp(), small_cnn()], ids=["mlp", "cnn"])
def test_fewer_models_fit_with_less_memory_and_larger_batches(network: nn.Module) -> None:
    batch = torch.rand(64, 1, 8, 8)
    free = 1 << 30
    fit = models_that_fit(network, batch, free)
    assert fit // 2 - 1 <= models_that_fit(network, batch, free // 2) <= fit // 2 + 1
    assert models_that_fit(network, batch.repeat(4, 1, 1, 1), free) < fit
    assert models_that_fit(network, batch, 1) == 1


def test_free_memory_is_known() -> None:
    assert free_memory(torch.device("cpu")) > 1 << 20
