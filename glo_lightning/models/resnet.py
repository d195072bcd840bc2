"""ResNet for images of 32x32."""

from torch import Tensor, nn

from glo_lightning.models.residual import (
    batch_norm_relu,
    blocks_per_stage,
    classify,
    conv1x1,
    conv3x3,
    initialise,
    stages,
)


class ResNetBlock(nn.Module):
    """Two convolutions, each with batch normalisation, a shortcut, and a ReLU after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv3x3(inputs, outputs, stride),
            batch_norm_relu(outputs),
            conv3x3(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, outputs, H / stride, W / stride)."""
        maps: Tensor = self.branch(x) + self.shortcut(x)
        return maps.relu()


def resnet(depth: int = 20, num_classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """Build a post-activation ResNet of basic blocks, 16 to 64 channels wide.

    272,474, 466,906 and 855,770 parameters at depths 20, 32 and 56, for 10 classes of colour images.

    Args:
        depth: layers with weights, 6n + 2.
        num_classes: C, outputs of the last layer.
        in_channels: channels of an image.

    Returns:
        A network from images (N, in_channels, 32, 32) to logits (N, C).

    Raises:
        ModelError: if there is no such depth.

    Example:
        >>> import torch
        >>> resnet(depth=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source: He et al., "Deep Residual Learning", arXiv:1512.03385, section 4.2; TaylorGLO, experiments.
    """
    num_blocks = blocks_per_stage(depth, 2, "Use 20, 32 or 56.")
    return initialise(
        nn.Sequential(
            conv3x3(in_channels, 16),
            batch_norm_relu(16),
            *stages(ResNetBlock, num_blocks, (16, 16, 32, 64)),
            *classify(64, num_classes),
        )
    )
