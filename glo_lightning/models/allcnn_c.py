"""All-CNN-C: a network of convolutions alone."""

from torch import nn

from glo_lightning.models.activation import Activation
from glo_lightning.models.heads import WithHeads, auxiliary_head


def allcnn_c(
    num_classes: int = 10,
    in_channels: int = 3,
    quirks: bool = False,
    activation: Activation = nn.ReLU,
    auxiliary_heads: bool = False,
) -> nn.Module:
    """Build All-CNN-C for images of 32x32, as published or as the TaylorGLO authors trained it.

    1,369,738 parameters for 10 classes of colour images, either way; 1,399,518 with auxiliary heads.

    Args:
        num_classes: C, outputs of the last layer.
        in_channels: channels of an image.
        quirks: whether to differ from the published network where the TaylorGLO authors' does: no dropout on the
            input, no ReLU after the convolutions of stride 2, and padding in the third stage, so that the mean
            over 6x6 leaves out the last two rows and columns of an 8x8 map.
        activation: builds what stands for every ReLU, such as ``nn.SiLU``, ``nn.LogSigmoid`` or ``TaylorActivation``.
        auxiliary_heads: whether the first two stages get a head each, as in the TaylorGLO authors' ablation.

    Returns:
        A network from images (N, in_channels, 32, 32) to logits (N, C), which a last ReLU keeps from being negative;
        with auxiliary heads, to those of each head in training, the main one's first.

    Example:
        >>> import torch
        >>> allcnn_c(quirks=True)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])

    Source: Springenberg et al., "Striving for Simplicity", arXiv:1412.6806, table 1; TaylorGLO, experiments.
    """

    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        after_stride = [] if quirks else [activation()]
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            activation(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            activation(),
            nn.Conv2d(outputs, outputs, 3, stride=2, padding=1),
            *after_stride,
            nn.Dropout(0.5),
        ]

    first = [*([] if quirks else [nn.Dropout(0.2)]), *stage(in_channels, 96)]
    second = stage(96, 192)
    third = [
        nn.Conv2d(192, 192, 3, padding=1 if quirks else 0),
        activation(),
        nn.Conv2d(192, 192, 1),
        activation(),
        nn.Conv2d(192, num_classes, 1),
        activation(),
        nn.AvgPool2d(6),
        nn.Flatten(),
    ]
    if not auxiliary_heads:
        return nn.Sequential(*first, *second, *third)
    heads = [auxiliary_head(channels, num_classes, activation=activation) for channels in (96, 192)]
    return WithHeads([nn.Sequential(*each) for each in (first, second, third)], heads)
