"""The convolutional network of the MNIST experiments."""

from torch import nn

from glo_lightning.errors import ModelError


def mnist_cnn(num_classes: int = 10, dropout: float = 0.4) -> nn.Sequential:
    """Build two 5x5 convolutions with pooling and a layer of 1,024 units.

    3,274,634 parameters for 10 classes.

    Args:
        num_classes: C, outputs of the last layer.
        dropout: probability in [0, 1) before the last layer.

    Returns:
        A network from images (N, 1, 28, 28) to logits (N, C).

    Raises:
        ModelError: if ``dropout`` is outside [0, 1).

    Example:
        >>> import torch
        >>> mnist_cnn()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])

    Source: GLO, section on MNIST.
    """
    if not 0.0 <= dropout < 1.0:
        raise ModelError("dropout in [0, 1)", repr(dropout), "Use 0.0 for none.")
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 1024),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(1024, num_classes),
    )
