"""Any folder of images sorted into classes."""

from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from glo_lightning.data.image_data import ImageDataModule
from glo_lightning.data.splits import hold_out, shuffled
from glo_lightning.data.tensor_data import Examples, Splits
from glo_lightning.data.transforms import Augmentation
from glo_lightning.errors import DataError


class FolderDataModule(ImageDataModule):
    """Images in ``root/train/<class>/*`` and ``root/test/<class>/*``, resized and kept in memory.

    Made for what fits in memory: M x channels x height x width bytes. Larger sets are served by a data module of
    one's own, as any LightningDataModule will do.

    Validation images come from ``root/val/<class>/*`` where that exists, else they are held out from the training
    images. Channels are normalised by their mean and standard deviation over the training images.

    Args:
        root: the folder.
        num_classes: C, sub-folders of ``root/train``.
        input_shape: (channels, height, width) that images are converted to; channels 1 or 3.
        batch_size: N, examples per training batch and device.
        seed: of order and augmentation, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        training_fraction: share of the training split to train on, in (0, 1].
        num_val: images held out for validation where ``root/val`` is missing; ``None`` for a tenth.
        augmentation: of training batches; ``None`` for none.
        num_workers: processes that decode the images.

    Raises:
        DataError: if an argument is outside its range or, from ``setup``, if the folder is laid out otherwise.

    Example:
        >>> FolderDataModule("flowers", num_classes=5, input_shape=(3, 64, 64)).input_shape
        (3, 64, 64)
    """

    def __init__(
        self,
        root: str,
        num_classes: int,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        batch_size: int = 128,
        seed: int | None = None,
        training_fraction: float = 1.0,
        num_val: int | None = None,
        augmentation: Augmentation | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__(batch_size, seed, training_fraction, augmentation)
        if input_shape[0] not in (1, 3) or min(input_shape) < 1:
            raise DataError(
                "input_shape (channels, height, width) with 1 or 3 channels", repr(input_shape), "Use (3, 32, 32)."
            )
        self.root = root
        self.num_classes = num_classes
        self.input_shape = tuple(input_shape)
        self.num_val = num_val
        self.num_workers = num_workers

    def load(self) -> Splits:
        """Decode all images and measure the channels of the training images."""
        source = self._open("train")
        if len(source.classes) != self.num_classes:
            raise DataError(
                f"{self.num_classes} classes in {source.root}",
                f"{len(source.classes)}: {', '.join(source.classes[:10])}",
                "Set num_classes to the number of sub-folders.",
            )
        images, labels = self._decode(source)
        if (Path(self.root) / "val").is_dir():
            order, val = shuffled(len(labels)), self._decode(self._open("val", source.classes))
        else:
            held_out = max(1, len(labels) // 10) if self.num_val is None else self.num_val
            order, rest = hold_out(len(labels), held_out)
            val = images[rest], labels[rest]
        train = images[order], labels[order]
        self.mean, self.std = _channel_statistics(train[0])
        return Splits(train, val, self._decode(self._open("test", source.classes)))

    def _open(self, part: str, classes: list[str] | None = None) -> ImageFolder:
        folder = (Path(self.root) / part).resolve()
        channels, height, width = self.input_shape
        colours = v2.Grayscale() if channels == 1 else v2.RGB()
        try:
            source = ImageFolder(str(folder), v2.Compose([v2.PILToTensor(), colours, v2.Resize((height, width))]))
        except FileNotFoundError as error:
            raise DataError(
                f"images in {folder}/<class>/", str(error), "Sort the images into one folder per class."
            ) from error
        if classes is not None and source.classes != classes:
            raise DataError(
                f"the classes of train in {folder}: {', '.join(classes[:10])}",
                ", ".join(source.classes[:10]),
                "Let train, val and test have the same sub-folders.",
            )
        return source

    def _decode(self, source: ImageFolder) -> Examples:
        batches = list(DataLoader(source, 256, num_workers=self.num_workers))
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return images, labels


def _channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel in units of [0, 1]."""
    stds, means = zip(*(torch.std_mean(channel.float() / 255) for channel in images.unbind(1)), strict=True)
    return tuple(map(float, means)), tuple(max(float(std), 1 / 255) for std in stds)
