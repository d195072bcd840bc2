"""A convolutional network small enough for the digits on a CPU."""

from torch import nn

from glo_lightning.errors import ModelError


def small_cnn(
    num_classes: int = 10,
    input_shape: tuple[int, int, int] = (1, 8, 8),
    width: int = 16,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Build two blocks of 3x3 convolution, ReLU and 2x2 max-pooling, and a linear layer.

    Args:
        num_classes: C, outputs of the last layer.
        input_shape: (channels, height, width) of an image, height and width at least 4.
        width: channels of the first block; the second has twice as many.
        batch_norm: whether each convolution is followed by batch normalisation.
        dropout: probability in [0, 1) before the linear layer.

    Returns:
        A network from images (N, *input_shape) to logits (N, C).

    Raises:
        ModelError: if the image is too small, a width is below 1 or ``dropout`` is outside [0, 1).

    Example:
        >>> import torch
        >>> small_cnn()(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    channels, image_height, image_width = input_shape
    if min(image_height, image_width) < 4 or min(channels, width, num_classes) < 1:
        raise ModelError(
            "images of at least 4x4, channels, width and classes of at least 1",
            f"input_shape={tuple(input_shape)}, width={width}, num_classes={num_classes}",
            "Pass input_shape=(channels, height, width).",
        )
    if not 0.0 <= dropout < 1.0:
        raise ModelError("dropout in [0, 1)", repr(dropout), "Use 0.0 for none.")
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, width), (width, 2 * width)):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    if dropout > 0.0:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(2 * width * (image_height // 4) * (image_width // 4), num_classes))
