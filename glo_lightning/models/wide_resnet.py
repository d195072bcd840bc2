"""Wide ResNet for images of 32x32."""

from functools import partial

from torch import Tensor, nn

from glo_lightning.errors import ModelError
from glo_lightning.models.activation import Activation
from glo_lightning.models.residual import (
    batch_norm_relu,
    blocks_per_stage,
    conv1x1,
    conv3x3,
    initialise,
    stages,
)


class WideBlock(nn.Module):
    """A pre-activation block with dropout; where channels change, the shortcut starts from the activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float, activation: Activation) -> None:
        super().__init__()
        self.activation = batch_norm_relu(inputs, activation)
        self.branch = nn.Sequential(
            conv3x3(inputs, outputs, stride),
            batch_norm_relu(outputs, activation),
            nn.Dropout(dropout),
            conv3x3(outputs, outputs),
        )
        self.shortcut = None if inputs == outputs else conv1x1(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, outputs, H / stride, W / stride)."""
        active = self.activation(x)
        maps: Tensor = self.branch(active) + (x if self.shortcut is None else self.shortcut(active))
        return maps


def wide_resnet(
    depth: int = 28,
    widen_factor: int = 10,
    num_classes: int = 10,
    in_channels: int = 3,
    dropout: float = 0.3,
    activation: Activation = nn.ReLU,
) -> nn.Sequential:
    """Build a Wide ResNet of basic blocks, 16k to 64k channels wide for a widen factor k.

    10,961,370, 9,132,634 and 36,479,194 parameters for 16-8, 28-5 and 28-10, for 10 classes of colour images.

    Args:
        depth: layers with weights, 6n + 4.
        widen_factor: k, 1 or more.
        num_classes: C, outputs of the last layer.
        in_channels: channels of an image.
        dropout: probability in [0, 1) between the convolutions of a block.
        activation: builds what stands for every ReLU, such as ``nn.SiLU``, ``nn.LogSigmoid`` or ``TaylorActivation``.

    Returns:
        A network from images (N, in_channels, 32, 32) to logits (N, C).

    Raises:
        ModelError: if there is no such depth, or an argument is outside its range.

    Example:
        >>> import torch
        >>> wide_resnet(depth=10, widen_factor=1)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source: Zagoruyko and Komodakis, "Wide Residual Networks", arXiv:1605.07146; TaylorGLO, experiments.
    """
    num_blocks = blocks_per_stage(depth, 4, "Use 16 or 28.")
    if widen_factor < 1:
        raise ModelError("a widen_factor of 1 or more", repr(widen_factor), "Use 8 at depth 16, 10 at depth 28.")
    if not 0.0 <= dropout < 1.0:
        raise ModelError("dropout in [0, 1)", repr(dropout), "Use 0.0 for none.")
    widths = (16, 16 * widen_factor, 32 * widen_factor, 64 * widen_factor)
    last = nn.Linear(widths[-1], num_classes)
    nn.init.zeros_(last.bias)
    network = nn.Sequential(
        conv3x3(in_channels, 16),
        *stages(partial(WideBlock, dropout=dropout, activation=activation), num_blocks, widths),
        batch_norm_relu(widths[-1], activation),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        last,
    )
    return initialise(network)
