"""A multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from glo_lightning.errors import ModelError
from glo_lightning.models.activation import Activation


def mlp(
    num_classes: int = 10,
    in_features: int = 64,
    hidden: Sequence[int] = (64,),
    dropout: float = 0.0,
    activation: Activation = nn.ReLU,
) -> nn.Sequential:
    """Build a perceptron, of ReLU layers unless told otherwise; the default is 64-64-10, for the digits.

    Args:
        num_classes: C, outputs of the last layer.
        in_features: numbers per example once flattened.
        hidden: width of each hidden layer; empty for a linear model.
        dropout: probability in [0, 1) after each hidden layer.
        activation: builds that of each hidden layer, such as ``nn.SiLU`` or ``TaylorActivation``.

    Returns:
        A network from (N, ...) with ``in_features`` numbers per example to logits (N, C).

    Raises:
        ModelError: if a width is below 1 or ``dropout`` is outside [0, 1).

    Example:
        >>> import torch
        >>> mlp(hidden=(32, 32))(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    widths = [in_features, *hidden, num_classes]
    if min(widths) < 1:
        raise ModelError("widths of 1 or more", str(widths), "Check in_features, hidden and num_classes.")
    if not 0.0 <= dropout < 1.0:
        raise ModelError("dropout in [0, 1)", repr(dropout), "Use 0.0 for none.")
    layers: list[nn.Module] = [nn.Flatten()]
    for width, next_width in pairwise(widths[:-1]):
        layers += [nn.Linear(width, next_width), activation()]
        if dropout > 0.0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-2], num_classes))
