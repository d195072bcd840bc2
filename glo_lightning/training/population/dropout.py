"""Dropout for a stack of models: each model's masks are a function of its seed alone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PER_CHANNEL = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
DROPOUTS = (nn.Dropout, *PER_CHANNEL)


class SeededDropout(nn.Module):
    """Drops what torch's dropout drops, by random numbers that do not depend on the other models in the stack.

    Models with equal seeds get equal masks, and a model keeps its masks when others leave the stack.

    Args:
        rate: probability in (0, 1] of dropping.
        per_channel: whether whole channels are dropped.
        generators: one per different seed, shared by all dropout layers of the network.
        members: number of each model's generator, shape (P,), int64.

    Attributes:
        members: a buffer, which the stack slices as it does parameters.
    """

    members: Tensor

    def __init__(self, rate: float, per_channel: bool, generators: Sequence[torch.Generator], members: Tensor) -> None:
        super().__init__()
        self.rate = rate
        self.per_channel = per_channel
        self.generators = generators
        self.register_buffer("members", members)

    @property
    def is_same_for_all(self) -> bool:
        """Whether all models drop the same."""
        return len(self.generators) == 1

    def forward(self, x: Tensor) -> Tensor:
        """Drop entries of x, shape (N, ...), of one model; under vmap, ``members`` is its number."""
        masks = self.masks(x)
        return x * (masks[0] if self.is_same_for_all else masks[self.members])

    def stacked(self, x: Tensor, members: Tensor) -> Tensor:
        """Drop entries of x, shape (N, P, ...) or (N, 1, ...), of all models at once."""
        masks = self.masks(x[:, 0])
        return x * (masks[0].unsqueeze(1) if self.is_same_for_all else masks[members].movedim(0, 1))

    def masks(self, x: Tensor) -> Tensor:
        """Return a mask for each seed, shape (S, N, ...), for activations x of one model, shape (N, ...)."""
        shape = [*x.shape[:2], *[1] * (x.ndim - 2)] if self.per_channel else list(x.shape)
        masks = [torch.empty(shape, dtype=x.dtype, device=x.device) for _ in self.generators]
        for mask, generator in zip(masks, self.generators, strict=True):
            mask.bernoulli_(1.0 - self.rate, generator=generator)
        return torch.stack(masks).div_(max(1.0 - self.rate, torch.finfo(x.dtype).tiny))


def seed_dropout(network: nn.Module, seeds: Sequence[int], device: torch.device) -> None:
    """Replace a network's dropout layers, in place.

    Args:
        network: the template of the stack.
        seeds: of the models in the stack, P of them.
        device: where they train.
    """
    different = sorted(set(seeds))
    generators = [torch.Generator(device).manual_seed(seed) for seed in different]
    members = torch.tensor([different.index(seed) for seed in seeds], device=device)
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, DROPOUTS) and child.training and child.p > 0.0:
                setattr(module, name, SeededDropout(child.p, isinstance(child, PER_CHANNEL), generators, members))
