"""What the residual networks for 32x32 images share: three stages of blocks and a mean over the last map."""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from torch import nn

from glo_lightning.errors import ModelError
from glo_lightning.models.activation import Activation

Block = Callable[[int, int, int], nn.Module]
Network = TypeVar("Network", bound=nn.Module)


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Build a 3x3 convolution that keeps the size but for its stride, without bias."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Build a 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)


def batch_norm_relu(channels: int, activation: Activation = nn.ReLU) -> nn.Sequential:
    """Build batch normalisation and a ReLU, or another activation."""
    return nn.Sequential(nn.BatchNorm2d(channels), activation())


def blocks_per_stage(depth: int, layers_outside: int, cure: str) -> int:
    """Return n of a network of ``depth = 6 n + layers_outside`` layers.

    Raises:
        ModelError: if there is no such n of 1 or more.
    """
    blocks, rest = divmod(depth - layers_outside, 6)
    if rest or blocks < 1:
        raise ModelError(f"a depth of 6n + {layers_outside}, n of 1 or more", repr(depth), cure)
    return blocks


def stages(block: Block, num_blocks: int, widths: tuple[int, int, int, int]) -> list[nn.Module]:
    """Build three stages of blocks; the second and third start with stride 2.

    Args:
        block: builds one from (channels in, channels out, stride).
        num_blocks: blocks of each stage.
        widths: channels before the first stage and after each.

    Returns:
        The blocks in order.
    """
    blocks: list[nn.Module] = []
    for stage, (inputs, outputs) in enumerate(pairwise(widths)):
        blocks.append(block(inputs, outputs, 2 if stage else 1))
        blocks += [block(outputs, outputs, 1) for _ in range(num_blocks - 1)]
    return blocks


def classify(channels: int, num_classes: int) -> list[nn.Module]:
    """Build the mean over the map and the linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


def initialise(network: Network) -> Network:
    """Draw convolution weights from N(0, 2 / (k * k * channels out)), as He et al. do."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
