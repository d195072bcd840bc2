"""Pre-activation ResNet for images of 32x32."""

from torch import Tensor, nn

from glo_lightning.models.heads import WithHeads, auxiliary_head
from glo_lightning.models.residual import (
    batch_norm_relu,
    blocks_per_stage,
    classify,
    conv1x1,
    conv3x3,
    initialise,
    stages,
)


class PreResNetBlock(nn.Module):
    """Two convolutions after batch normalisation and ReLU, and a shortcut from the raw input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            batch_norm_relu(inputs),
            conv3x3(inputs, outputs, stride),
            batch_norm_relu(outputs),
            conv3x3(outputs, outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else conv1x1(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, outputs, H / stride, W / stride)."""
        maps: Tensor = self.branch(x) + self.shortcut(x)
        return maps


def preresnet(depth: int = 20, num_classes: int = 10, in_channels: int = 3, auxiliary_heads: bool = False) -> nn.Module:
    """Build a pre-activation ResNet of basic blocks, 16 to 64 channels wide.

    272,282, 466,714 and 855,578 parameters at depths 20, 32 and 56, for 10 classes of colour images.

    Args:
        depth: layers with weights, 6n + 2.
        num_classes: C, outputs of the last layer.
        in_channels: channels of an image.
        auxiliary_heads: whether the first two stages get a head each, after batch normalisation and ReLU.

    Returns:
        A network from images (N, in_channels, 32, 32) to logits (N, C); with auxiliary heads, to those of each head in
        training, the main one's first.

    Raises:
        ModelError: if there is no such depth.

    Example:
        >>> import torch
        >>> preresnet(depth=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source: He et al., "Identity Mappings", arXiv:1603.05027; TaylorGLO, experiments.
    """
    num_blocks = blocks_per_stage(depth, 2, "Use 20, 32 or 56.")
    blocks = stages(PreResNetBlock, num_blocks, (16, 16, 32, 64))
    first = [conv3x3(in_channels, 16), *blocks[:num_blocks]]
    second = blocks[num_blocks : 2 * num_blocks]
    third = [*blocks[2 * num_blocks :], batch_norm_relu(64), *classify(64, num_classes)]
    if not auxiliary_heads:
        return initialise(nn.Sequential(*first, *second, *third))
    heads = [nn.Sequential(batch_norm_relu(each), *auxiliary_head(each, num_classes)) for each in (16, 32)]
    return initialise(WithHeads([nn.Sequential(*each) for each in (first, second, third)], heads))
