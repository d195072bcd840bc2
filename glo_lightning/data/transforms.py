"""Augmentation of whole batches on the device they train on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import normalize, to_dtype

from glo_lightning.errors import DataError

# Random numbers come from the CPU's generator and then move, so that every device augments alike.


def to_inputs(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale stored pixels to [0, 1] and normalise each channel.

    Args:
        images: shape (N, channels, H, W), uint8.
        mean: of each channel, in units of [0, 1].
        std: of each channel, likewise.

    Returns:
        Network inputs, shape (N, channels, H, W), float32.
    """
    inputs: Tensor = normalize(to_dtype(images, torch.float32, scale=True), list(mean), list(std))
    return inputs


def random_crop(images: Tensor, padding: int) -> Tensor:
    """Shift each image by up to ``padding`` pixels either way; black comes in from outside.

    Args:
        images: shape (N, channels, H, W).
        padding: pixels, 0 or more.

    Returns:
        Images, shape (N, channels, H, W).
    """
    size, (height, width) = len(images), images.shape[-2:]
    windows = pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    rows, columns = torch.randint(2 * padding + 1, (2, size)).to(images.device)
    return windows[torch.arange(size, device=images.device), :, rows, columns]


def random_flip(images: Tensor) -> Tensor:
    """Mirror each image left to right with probability 1/2.

    Args:
        images: shape (N, channels, H, W).

    Returns:
        Images, shape (N, channels, H, W).
    """
    mirrored = (torch.rand(len(images)) < 0.5).to(images.device)
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)


def cutout(inputs: Tensor, size: int) -> Tensor:
    """Set a square around a random pixel of each image to zero; it may reach over the border.

    Args:
        inputs: shape (N, channels, H, W), normalised, so that zero is the mean.
        size: length of the square's sides in pixels.

    Returns:
        Inputs, shape (N, channels, H, W).

    Source: DeVries and Taylor, "Improved Regularization with Cutout", arXiv:1708.04552.
    """

    def covered(length: int) -> Tensor:
        centre = torch.randint(length, (len(inputs), 1))
        offset = torch.arange(length) - centre
        return ((offset >= -(size // 2)) & (offset < size - size // 2)).to(inputs.device)

    height, width = inputs.shape[-2:]
    square = covered(height).view(-1, 1, height, 1) & covered(width).view(-1, 1, 1, width)
    return inputs.masked_fill(square, 0.0)


@dataclass(frozen=True)
class Augmentation:
    """What happens to training images, in this order; nothing by default.

    CutMix and mixup pair each image with its neighbour in the batch and mix labels likewise, so that labels become
    distributions over classes.

    Args:
        crop_padding: pixels of padding before a random crop to the old size; 0 for none. The papers use 4.
        flip: whether to mirror half of the images.
        cutout: side in pixels of a square that is set to the mean; 0 for none. The papers use 16.
        cutmix: alpha of CutMix, 0 for none. The papers use 1.
        mixup: alpha of mixup, 0 for none.
        mix_probability: share of the batches that CutMix or mixup touches, in (0, 1]. The papers use 0.5.

    Raises:
        DataError: if an argument is outside its range, or both CutMix and mixup are on.

    Example:
        >>> augment = Augmentation(crop_padding=4, flip=True, cutout=16)
        >>> images = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)
        >>> augment.pixels(images).shape
        torch.Size([8, 3, 32, 32])
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    cutmix: float = 0.0
    mixup: float = 0.0
    mix_probability: float = 0.5

    def __post_init__(self) -> None:
        if min(self.crop_padding, self.cutout, self.cutmix, self.mixup) < 0:
            raise DataError("crop_padding, cutout, cutmix and mixup of 0 or more", repr(self), "Use 0 for none.")
        if not 0.0 < self.mix_probability <= 1.0:
            raise DataError("mix_probability in (0, 1]", repr(self.mix_probability), "Use 0.5.")
        if self.cutmix and self.mixup:
            raise DataError("either cutmix or mixup", repr(self), "Set one of them to 0.")

    def pixels(self, images: Tensor) -> Tensor:
        """Augment stored images (N, channels, H, W) before normalisation."""
        if self.crop_padding:
            images = random_crop(images, self.crop_padding)
        return random_flip(images) if self.flip else images

    def inputs(self, inputs: Tensor, target: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Augment normalised images (N, channels, H, W) and their class indices (N,)."""
        if self.cutout:
            inputs = cutout(inputs, self.cutout)
        if (self.cutmix or self.mixup) and float(torch.rand(())) < self.mix_probability:
            mix = v2.CutMix if self.cutmix else v2.MixUp
            inputs, target = mix(alpha=self.cutmix or self.mixup, num_classes=num_classes)(inputs, target)
        return inputs, target
