"""A stack of networks computes what each network computes by itself: outputs, gradients and running statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from glo_lightning import models
from glo_lightning.training.population.networks import NetworkStack

CPU = torch.device("cpu")
P, N = 3, 5


class Residual(nn.Module):
    """A network of somebody's own: group norm, a skip connection, weights used twice, an operation without a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        x = x + self.block(x)
        x = torch.tanh(x + self.block(x))
        return self.head(x.mean((-2, -1)))


def _reused() -> nn.Sequential:
    relu, linear = nn.ReLU(), nn.Linear(16, 16)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), relu, linear, relu, linear, relu, nn.Linear(16, 10))


def _hooked() -> nn.Sequential:
    network = models.mlp(hidden=(8,))
    network[1].register_forward_hook(lambda module, inputs, output: 2.0 * output)
    return network


def _frozen() -> nn.Sequential:
    network = models.small_cnn(batch_norm=True, dropout=0.5, width=4)
    network[1].eval()
    network[9].eval()
    network[0].weight.requires_grad_(False)
    return network


BUILDERS = {
    "mlp": models.mlp,
    "linear": lambda: models.mlp(hidden=()),
    "small_cnn": lambda: models.small_cnn(width=4),
    "batch norm": lambda: models.small_cnn(width=4, batch_norm=True),
    "batch norm without memory": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.Linear(108, 10)
    ),
    "depthwise": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Conv2d(4, 8, 3, groups=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    ),
    "depthwise first": lambda: nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(4, 8, 3, groups=4), nn.Flatten(), nn.Linear(32, 10)
    ),
    "other padding": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 4, 3, padding="same", dilation=2, stride=1),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10, bias=False),
    ),
    "linear on maps": lambda: nn.Sequential(nn.Linear(8, 6), nn.GELU(), nn.Flatten(), nn.Linear(48, 10)),
    "layer norm": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 10)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, 8)), nn.Sequential(nn.Linear(8, 10))),
    "reused layers": _reused,
    "hooks": _hooked,
    "frozen layers": _frozen,
    "own module": Residual,
}
builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


def _networks(build: object) -> list[nn.Module]:
    networks = []
    for seed in range(P):
        torch.manual_seed(seed)
        networks.append(build().double())  # type: ignore[operator]
    return networks


def _close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@builders
@pytest.mark.parametrize("shared", [True, False], ids=["same inputs", "own inputs"])
def test_outputs_gradients_and_buffers_are_each_networks_own(build: object, shared: bool) -> None:
    networks = _networks(build)
    stack = NetworkStack(networks, range(P), CPU)
    inputs = torch.rand(N, 1, 8, 8) if shared else torch.rand(N, P, 1, 8, 8)
    inputs = inputs.double()
    weight = torch.randn(P, N, 10, dtype=torch.float64)

    logits = stack(inputs, shared, training=True)
    trainable = {name: p for name, p in stack.parameters.items() if p.requires_grad}
    gradients = dict(zip(trainable, torch.autograd.grad(logits, list(trainable.values()), weight), strict=True))

    for model, network in enumerate(networks):
        own = network(inputs if shared else inputs[:, model])
        own.backward(weight[model])
        _close(logits[model], own)
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                _close(gradients[name][model], parameter.grad)
        for name, buffer in network.named_buffers():
            _close(stack.buffers[name][model], buffer)
        with torch.no_grad():
            evaluated = copy.deepcopy(network).eval()(inputs if shared else inputs[:, model])
            _close(stack(inputs, shared, training=False)[model], evaluated)


@builders
def test_networks_that_leave_change_no_other(build: object) -> None:
    networks = _networks(build)
    stack = NetworkStack(networks, range(P), CPU)
    inputs = torch.rand(N, 1, 8, 8).double()
    before = stack(inputs, shared=True, training=False)
    stack.keep(torch.tensor([0, 2]))
    assert len(stack) == 2
    _close(stack(inputs, shared=True, training=False), before[[0, 2]])
    _close(stack(inputs, shared=True, training=True)[1], networks[2](inputs))


def test_the_networks_given_are_left_as_they_were() -> None:
    networks = _networks(lambda: models.small_cnn(batch_norm=True, dropout=0.5))
    before = copy.deepcopy(networks)
    stack = NetworkStack([networks[0], networks[1], networks[0]], [0, 1, 2], CPU)
    stack(torch.rand(N, 1, 8, 8).double(), shared=True, training=True)
    assert repr(networks[0]) == repr(before[0])
    for network, old in zip(networks, before, strict=True):
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, old.state_dict()[name])


def test_published_networks_can_be_stacked() -> None:
    networks = _networks(lambda: models.resnet(depth=8))
    stack = NetworkStack(networks, range(P), CPU)
    inputs = torch.rand(N, 3, 32, 32).double()
    state = {**stack.parameters, **stack.buffers}
    for training in (False, True):
        logits = stack(inputs, shared=True, training=training)
        for model, network in enumerate(networks):
            own = {name: tensor[model] for name, tensor in state.items() if name in network.state_dict()}
            _close(logits[model], functional_call(network.train(training), own, (inputs,)))
