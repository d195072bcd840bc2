"""Auxiliary heads: further classifiers on the early layers of a network, which help to train it."""

from collections.abc import Sequence

from torch import Tensor, nn

from glo_lightning.models.activation import Activation


class WithHeads(nn.Module):
    """A network in stages, with an auxiliary head on each stage but the last.

    In training it returns the logits of all heads, the main one's first; a :class:`~glo_lightning.losses.Loss` adds
    its values on them up. Otherwise it returns the main head's logits, and computes no other.

    Args:
        stages: each works on what the one before returns; the last returns logits.
        heads: one for each stage but the last; each returns logits.
    """

    def __init__(self, stages: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits (N, C), of each head in training."""
        *first, last = self.stages
        auxiliary = []
        for stage, head in zip(first, self.heads, strict=True):
            x = stage(x)
            if self.training:
                auxiliary.append(head(x))
        main: Tensor = last(x)
        return (main, *auxiliary) if self.training else main


def auxiliary_head(channels: int, num_classes: int, width: int = 96, activation: Activation = nn.ReLU) -> nn.Sequential:
    """Build a head of two convolutions of 1x1, and the mean over the map.

    Args:
        channels: of the maps it works on.
        num_classes: C.
        width: channels in between.
        activation: builds what follows each convolution.
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 1),
        activation(),
        nn.Conv2d(width, num_classes, 1),
        activation(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
