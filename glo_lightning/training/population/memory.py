"""Estimate how many models fit into memory together, before the first one trains."""

import copy
from collections.abc import Callable

import psutil
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from glo_lightning.training.kept_memory import return_freed_memory

USABLE = 0.6
"""Share of the free memory that a population may fill: estimates are rough, and others need memory, too."""

COPIES_OF_WEIGHTS = 6
"""Weights, gradients, two states of an optimizer, and the temporaries of its step."""

COPIES_OF_ACTIVATIONS = 2
"""What the forward pass saves, and the gradients of it."""


def models_that_fit(network: nn.Module, inputs: Tensor, free: int) -> int:
    """Return how many models can train together.

    Args:
        network: one of them; it is copied.
        inputs: a training batch of one model, shape (N, ...), on the device where they train.
        free: bytes.

    Returns:
        Their number, at least 1.
    """
    weights = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    activations = saved_bytes(copy.deepcopy(network).to(inputs.device), inputs)
    each = COPIES_OF_WEIGHTS * weights + COPIES_OF_ACTIVATIONS * activations
    return max(1, int(USABLE * free / each))


def saved_bytes(compute: Callable[[Tensor], Tensor], inputs: Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, its inputs and weights included."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = compute(inputs)
    return sum(storages.values()) + outputs.nbytes


def free_memory(device: torch.device) -> int:
    """Return the bytes that new tensors on a device can have."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return_freed_memory()
    return int(psutil.virtual_memory().available)
