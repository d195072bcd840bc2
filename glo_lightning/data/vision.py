"""The image sets of the papers, read by torchvision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torchvision.datasets
from torch import Tensor

from glo_lightning.data.image_data import ImageDataModule
from glo_lightning.data.splits import hold_out
from glo_lightning.data.tensor_data import Examples, Splits
from glo_lightning.data.transforms import Augmentation
from glo_lightning.errors import DataError

DatasetName = Literal["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"]


@dataclass(frozen=True)
class _Facts:
    torchvision_name: str
    num_classes: int
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_val: int


_CIFAR_MEAN, _CIFAR_STD = (125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)
_SVHN_MEAN, _SVHN_STD = (109.9 / 255, 109.7 / 255, 113.8 / 255), (50.1 / 255, 50.6 / 255, 50.8 / 255)
_DATASETS = {
    "mnist": _Facts("MNIST", 10, (1, 28, 28), (0.1307,), (0.3081,), 5_000),
    "fashion_mnist": _Facts("FashionMNIST", 10, (1, 28, 28), (0.2860,), (0.3530,), 5_000),
    "cifar10": _Facts("CIFAR10", 10, (3, 32, 32), _CIFAR_MEAN, _CIFAR_STD, 5_000),
    "cifar100": _Facts("CIFAR100", 100, (3, 32, 32), _CIFAR_MEAN, _CIFAR_STD, 5_000),
    "svhn": _Facts("SVHN", 10, (3, 32, 32), _SVHN_MEAN, _SVHN_STD, 26_032),
}


class VisionDataModule(ImageDataModule):
    """MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 or SVHN with the papers' splits and normalisation.

    Args:
        dataset: ``"mnist"``, ``"fashion_mnist"``, ``"cifar10"``, ``"cifar100"`` or ``"svhn"`` (without "extra").
        root: folder that holds torchvision's files.
        batch_size: N, examples per training batch and device.
        seed: of order and augmentation, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        training_fraction: share of the training split to train on, in (0, 1].
        num_val: images held out for validation; ``None`` for the papers' 5,000, and 26,032 of SVHN.
        augmentation: of training batches; ``None`` for none.
        download: whether to fetch missing files.

    Raises:
        DataError: if an argument is outside its range or, from ``setup``, if the files are missing or damaged.

    Example:
        >>> from glo_lightning.data import Augmentation
        >>> data = VisionDataModule("cifar10", augmentation=Augmentation(crop_padding=4, flip=True))
        >>> data.num_classes, data.input_shape
        (10, (3, 32, 32))

    Source: the TaylorGLO authors' published code, for splits and normalisation.
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
    ) -> None:
        super().__init__(batch_size, seed, training_fraction, augmentation)
        if dataset not in _DATASETS:
            raise DataError(f"a dataset out of {', '.join(_DATASETS)}", repr(dataset), "Choose one of them.")
        self.dataset = dataset
        self.root = root
        self.download = download
        self._facts = _DATASETS[dataset]
        self.num_val = self._facts.num_val if num_val is None else num_val
        self.num_classes = self._facts.num_classes
        self.input_shape = self._facts.input_shape
        self.mean = self._facts.mean
        self.std = self._facts.std

    def prepare_data(self) -> None:
        """Download the files where that was asked for, in one process per machine."""
        if self.download:
            for train in (True, False):
                self._open(train, download=True)

    def load(self) -> Splits:
        """Read the official training and test sets and hold out validation images from the former."""
        images, labels = self._read(train=True)
        train, val = hold_out(len(labels), self.num_val)
        return Splits((images[train], labels[train]), (images[val], labels[val]), self._read(train=False))

    def _read(self, train: bool) -> Examples:
        source = self._open(train, download=False)
        labels = source.labels if self.dataset == "svhn" else source.targets
        return _channels_first(torch.as_tensor(source.data)), torch.as_tensor(labels).long()

    def _open(self, train: bool, download: bool) -> Any:
        part = {"split": "train" if train else "test"} if self.dataset == "svhn" else {"train": train}
        try:
            return getattr(torchvision.datasets, self._facts.torchvision_name)(self.root, download=download, **part)
        except (RuntimeError, OSError) as error:
            fetch = f"VisionDataModule({self.dataset!r}, {self.root!r}, download=True).prepare_data()"
            raise DataError(
                f"the files of {self._facts.torchvision_name} in {Path(self.root).resolve()}",
                f"a failure to read them ({error})",
                f'Fetch them: python -c "from glo_lightning.data import VisionDataModule; {fetch}"',
            ) from error


def _channels_first(images: Tensor) -> Tensor:
    if images.ndim == 3:  # MNIST has no channels
        return images.unsqueeze(1)
    if images.shape[-1] == 3:  # CIFAR has them last
        return images.permute(0, 3, 1, 2).contiguous()
    return images
