"""Many networks of one structure as one: their parameters stacked, their outputs computed together."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import stack_module_state

from glo_lightning.training.population.dropout import seed_dropout
from glo_lightning.training.population.layers import split_layers


class NetworkStack:
    """P networks that differ in their weights.

    Args:
        networks: one per model, all of the same structure; they are copied, and may repeat.
        seeds: one per model, of its dropout masks.
        device: where they are computed.

    Attributes:
        parameters: by name, each of shape (P, ...).
        buffers: by name, each of shape (P, ...).
    """

    def __init__(self, networks: Sequence[nn.Module], seeds: Sequence[int], device: torch.device) -> None:
        state = stack_module_state(list(networks))
        self.parameters: dict[str, Tensor] = {
            name: tensor.detach().to(device).requires_grad_(tensor.requires_grad) for name, tensor in state[0].items()
        }
        self.buffers: dict[str, Tensor] = {name: tensor.to(device) for name, tensor in state[1].items()}
        training, evaluation = (copy.deepcopy(networks[0]).to(device) for _ in range(2))
        seed_dropout(training, seeds, device)
        self.buffers |= {name: buffer for name, buffer in training.named_buffers() if name not in self.buffers}
        self._training = split_layers(training)
        self._evaluation = split_layers(evaluation.eval())

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def __call__(self, inputs: Tensor, shared: bool, training: bool) -> Tensor:
        """Compute the logits of all models.

        Args:
            inputs: shape (N, ...) if shared, else (N, P, ...).
            shared: whether all models get the same inputs.
            training: whether dropout drops and batch normalisation learns.

        Returns:
            Logits, shape (P, N, C).
        """
        state = {**self.parameters, **self.buffers}
        x = inputs
        for layer in self._training if training else self._evaluation:
            x, shared = layer(state, x, shared)
        return x.transpose(0, 1)

    def keep(self, models: Tensor) -> None:
        """Drop all models but those with the given numbers, shape (P',), int64."""
        for parameter in self.parameters.values():
            parameter.data = parameter.data[models]
        self.buffers = {name: buffer[models] for name, buffer in self.buffers.items()}
