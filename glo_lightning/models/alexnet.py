"""AlexNet for images of 32x32."""

from torch import nn


def alexnet(num_classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """Build the AlexNet that TaylorGLO trains on CIFAR: five convolutions, one linear layer.

    2,472,266 parameters for 10 classes of colour images.

    Args:
        num_classes: C, outputs of the last layer.
        in_channels: channels of an image.

    Returns:
        A network from images (N, in_channels, 32, 32) to logits (N, C).

    Example:
        >>> import torch
        >>> alexnet()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source: TaylorGLO, section on experiments.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, 11, stride=4, padding=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, num_classes),
    )
