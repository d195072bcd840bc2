"""The layers of a network, each computed for a whole stack of models at once.

torch.func's vmap can compute any layer; where torch has a kernel for many models at once, that is called directly.
Activations have shape (N, P, ...): examples, models, and the rest. Before the first layer with parameters all models
see the same inputs, of shape (N, ...), which are then worked on once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import conv2d

from glo_lightning.models.activation import TaylorActivation
from glo_lightning.training.population.dropout import DROPOUTS, SeededDropout

State = Mapping[str, Tensor]
"""Parameters and buffers of a layer for all models, each of shape (P, ...)."""

Kernel = Callable[[Any, State, Tensor, bool], Tensor]
"""Computes a module, given its parameters for all models, activations and whether these are shared."""


@dataclass(frozen=True)
class Layer:
    """A part of a network that is computed in one go.

    Args:
        module: its structure; the parameters it holds itself are not used.
        names: of its parameters and buffers within the module, and within the network.
        kernel: computes it.
    """

    module: nn.Module
    names: Mapping[str, str]
    kernel: Kernel

    def __call__(self, state: State, x: Tensor, shared: bool) -> tuple[Tensor, bool]:
        """Compute the layer.

        Args:
            state: of the network.
            x: activations, shape (N, P, ...), or (N, ...) if shared.
            shared: whether all models have the same activations.

        Returns:
            Activations, and whether they are shared.
        """
        own = {name: state[path] for name, path in self.names.items()}
        if shared and (not own or (isinstance(self.module, SeededDropout) and self.module.is_same_for_all)):
            return self.module(x), True
        return self.kernel(self.module, own, x, shared), False


def split_layers(network: nn.Module) -> list[Layer]:
    """Split a network into layers: what it is a sequence of, or all of it at once."""
    paths = {id(tensor): path for path, tensor in (*network.named_parameters(), *network.named_buffers())}
    layers = []
    for module in _sequence(network):
        tensors = (*module.named_parameters(), *module.named_buffers())
        layers.append(Layer(module, {name: paths[id(tensor)] for name, tensor in tensors}, _kernel(module)))
    return layers


def _sequence(network: nn.Module) -> Iterator[nn.Module]:
    if type(network) is not nn.Sequential or network._forward_hooks or network._forward_pre_hooks:
        yield network
        return
    for module in network:
        yield from _sequence(module)


def _kernel(module: nn.Module) -> Kernel:
    if not (module._forward_hooks or module._forward_pre_hooks):
        for kinds, kernel in KERNELS.items():
            if type(module) in kinds:
                return kernel
    return _by_vmap


def _by_vmap(module: nn.Module, state: State, x: Tensor, shared: bool) -> Tensor:
    compute = vmap(
        lambda own, inputs: functional_call(module, own, (inputs,)),
        in_dims=(0, None if shared else 1),
        out_dims=1,
        randomness="same",
    )
    outputs: Tensor = compute(state, x)
    return outputs


def _unchanged(module: nn.Module, state: State, x: Tensor, shared: bool) -> Tensor:
    return x


def _pointwise(module: nn.Module, state: State, x: Tensor, shared: bool) -> Tensor:
    outputs: Tensor = module(x)
    return outputs


def _per_example(module: nn.Module, state: State, x: Tensor, shared: bool) -> Tensor:
    outputs: Tensor = module(x.flatten(0, 1))
    return outputs.view(*x.shape[:2], *outputs.shape[1:])


def _dropout(module: SeededDropout, state: State, x: Tensor, shared: bool) -> Tensor:
    return module.stacked(x.unsqueeze(1) if shared else x, state["members"])


def _linear(module: nn.Linear, state: State, x: Tensor, shared: bool) -> Tensor:
    if x.ndim + shared != 3:
        return _by_vmap(module, state, x, shared)
    # With examples last, outputs and gradients are laid out as the weights are.
    weight = state["weight"]
    inputs = x.T.expand(len(weight), -1, -1) if shared else x.permute(1, 2, 0)
    if "bias" in state:
        return torch.baddbmm(state["bias"].unsqueeze(2), weight, inputs).permute(2, 0, 1)
    return torch.bmm(weight, inputs).permute(2, 0, 1)


def _conv2d(module: nn.Conv2d, state: State, x: Tensor, shared: bool) -> Tensor:
    if x.ndim + shared != 5 or module.padding_mode != "zeros":
        return _by_vmap(module, state, x, shared)
    # Models become groups of channels.
    num_models = len(state["weight"])
    if shared and module.groups > 1:
        x, shared = x.unsqueeze(1).expand(-1, num_models, -1, -1, -1), False
    outputs = conv2d(
        x if shared else x.flatten(1, 2),
        state["weight"].flatten(0, 1),
        state["bias"].flatten() if "bias" in state else None,
        module.stride,
        module.padding,
        module.dilation,
        1 if shared else num_models * module.groups,
    )
    return outputs.view(len(outputs), num_models, -1, *outputs.shape[2:])


KERNELS: dict[tuple[type[nn.Module], ...], Kernel] = {
    (nn.Identity, *DROPOUTS): _unchanged,  # dropout that drops something has been replaced
    (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.LogSigmoid, nn.Sigmoid, nn.Tanh): _pointwise,
    (TaylorActivation,): _pointwise,
    (nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d): _per_example,
    (SeededDropout,): _dropout,
    (nn.Linear,): _linear,
    (nn.Conv2d,): _conv2d,
}
"""What computes a layer of one of these types; any other is left to vmap."""
