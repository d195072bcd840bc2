"""A data set that stands in for another, to try a configuration without its files."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from glo_lightning.data.splits import shuffled
from glo_lightning.data.tensor_data import Splits
from glo_lightning.data.transforms import Augmentation
from glo_lightning.data.vision import DatasetName, VisionDataModule
from glo_lightning.errors import DataError


class StandInDataModule(VisionDataModule):
    """Scikit-learn's digits in the size, channels and number of classes of another data set.

    Says whether a configuration works, and nothing about the data set it stands in for.

    Args:
        dataset: what it stands in for.
        root: ignored.
        batch_size: N, examples per training batch and device.
        seed: of order and augmentation, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        training_fraction: share of the training split to train on, in (0, 1].
        num_val: ignored.
        augmentation: of training batches; ``None`` for none.
        download: ignored.
        num_images: images per split, 1 to 599.

    Raises:
        DataError: if an argument is outside its range.

    Example:
        >>> data = StandInDataModule("cifar100", num_images=16)
        >>> data.num_classes, data.train_tensors[0].shape, data.train_tensors[0].dtype
        (100, torch.Size([16, 3, 32, 32]), torch.uint8)
    """

    def __init__(
        self,
        dataset: DatasetName,
        root: str = "data",
        batch_size: int = 128,
        seed: int | None = None,
        training_fraction: float = 1.0,
        num_val: int | None = None,
        augmentation: Augmentation | None = None,
        download: bool = False,
        num_images: int = 256,
    ) -> None:
        super().__init__(dataset, root, batch_size, seed, training_fraction, num_val, augmentation)
        if not 1 <= num_images <= 599:
            raise DataError("num_images from 1 to 599", repr(num_images), "Use 256.")
        self.num_images = num_images

    def load(self) -> Splits:
        """Resize the digits and deal them to the splits."""
        pixels, digits = load_digits(return_X_y=True)
        images, labels = self._redraw(torch.from_numpy(pixels)), torch.from_numpy(digits).long()
        parts = torch.split(shuffled(len(labels)), self.num_images)
        return Splits(*((images[part], labels[part]) for part in parts[:3]))

    def _redraw(self, pixels: Tensor) -> Tensor:
        channels, height, width = self.input_shape
        images: Tensor = resize(pixels.mul(255 / 16).to(torch.uint8).view(-1, 1, 8, 8), [height, width])
        return images.expand(-1, channels, -1, -1).contiguous()
