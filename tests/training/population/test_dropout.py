"""Dropout masks: torch's distribution, and a function of the seed alone."""

import pytest
import torch
from torch import nn

from glo_lightning.training.population.networks import NetworkStack

CPU = torch.device("cpu")


def _stack(network: nn.Module, seeds: list[int]) -> NetworkStack:
    return NetworkStack([network] * len(seeds), seeds, CPU)


class Own(nn.Module):
    """Has its dropout inside, where only vmap gets at it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.linear(x))


NETWORKS = {
    "hidden": nn.Sequential(nn.Linear(8, 20), nn.Dropout(0.5), nn.Linear(20, 10), nn.Dropout(0.2)),
    "on the input": nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 10)),
    "channels": nn.Sequential(
        nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 6, 1), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(24, 10)
    ),
    "inside": Own(),
}
networks = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@networks
def test_masks_depend_on_the_seed_alone(network: nn.Module) -> None:
    x = torch.rand(16, 8)

    def outputs(seeds: list[int], leave: list[int] | None = None) -> torch.Tensor:
        torch.rand(torch.randint(100, ()))  # whatever else draws random numbers
        stack = _stack(network, seeds)
        first = stack(x, shared=True, training=True)
        if leave is not None:
            stack.keep(torch.tensor(leave))
        return torch.cat([first, stack(x, shared=True, training=True)])

    together = outputs([3, 1, 3, 2])
    torch.testing.assert_close(together[0], together[2])
    assert not torch.allclose(together[0], together[1])
    assert not torch.allclose(together[0], together[4])  # each step draws anew
    torch.testing.assert_close(outputs([1])[[0, 1]], together[[1, 5]])
    torch.testing.assert_close(outputs([3, 1, 3, 2], leave=[1, 2])[[4, 5]], together[[5, 6]])


@networks
def test_nothing_is_dropped_in_evaluation(network: nn.Module) -> None:
    x = torch.rand(16, 8)
    logits = _stack(network, [1, 2])(x, shared=True, training=False)
    expected = network.eval()(x)
    network.train()
    torch.testing.assert_close(logits[0], expected)
    torch.testing.assert_close(logits[1], expected)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_and_the_mean_are_torchs(rate: float) -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Dropout(rate))
    nn.init.ones_(network[0].weight)
    outputs = _stack(network, [0, 1])(torch.ones(20_000, 1), shared=True, training=True)
    for own in outputs:
        assert (own == 0).float().mean().item() == pytest.approx(rate, abs=0.015)
        assert own.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
    assert (outputs[0] == outputs[1]).float().mean() < 0.95


def test_channels_are_dropped_whole() -> None:
    network = nn.Sequential(nn.Conv2d(1, 50, 1, bias=False), nn.Dropout2d(0.5))
    nn.init.ones_(network[0].weight)
    stack = NetworkStack([network], [0], CPU)
    state = {**stack.parameters, **stack.buffers}
    x = torch.ones(4, 1, 3, 3)
    shared = True
    for layer in stack._training:
        x, shared = layer(state, x, shared)
    per_channel = x[:, 0].flatten(2)
    assert (per_channel == per_channel[..., :1]).all()
    assert 0 < (per_channel == 0).float().mean() < 1


def test_everything_can_be_dropped() -> None:
    network = nn.Sequential(nn.Linear(4, 10), nn.Dropout(1.0))
    assert not _stack(network, [0])(torch.rand(3, 4), shared=True, training=True).any()
