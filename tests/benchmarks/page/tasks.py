"""Models and data by name, each with the length of its trainings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split
from torch import nn

from glo_lightning.data import CorruptedDataModule, DigitsDataModule, FolderDataModule, VisionDataModule
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.models import Classifier, mlp, mnist_cnn, small_cnn

MNIST_TRAINING, MNIST_CNN_TRAINING, MNIST_VALIDATION = 5_000, 1_000, 2_000
CIFAR_TRAINING, CIFAR_VALIDATION = 10_000, 2_000
FEWER_CANDIDATES = {"generations": 3, "finalists": 3, "finalist_seeds": 2}


class Table(TensorDataModule):
    """Rows of numbers, standardised over the training part, in three parts of equal proportions of classes."""

    def __init__(self, read: Callable[..., Any], num_classes: int, width: int) -> None:
        super().__init__(batch_size=16)
        self.read, self.num_classes, self.input_shape = read, num_classes, (width,)

    def load(self) -> Splits:
        rows, labels = self.read(return_X_y=True)
        rest, test, rest_labels, test_labels = train_test_split(
            rows, labels, test_size=0.3, stratify=labels, random_state=0
        )
        train, val, train_labels, val_labels = train_test_split(
            rest, rest_labels, test_size=0.3, stratify=rest_labels, random_state=0
        )
        mean, std = train.mean(0), train.std(0)
        parts = ((train, train_labels), (val, val_labels), (test, test_labels))
        return Splits(*((torch.from_numpy((x - mean) / std).float(), torch.from_numpy(y).long()) for x, y in parts))


@dataclass(frozen=True)
class Work:
    """What is trained, on what, and for how long.

    Args:
        network: makes a new one.
        data: takes the folder of data sets.
        epochs: of every training, of candidates and in the verdict alike.
        seeds: of the verdict.
        learning_rate: of SGD with momentum 0.9.
        module: the LightningModule around the network.
        settings: of searches, where trainings are too long for as many as usual.
        accelerator: of the Trainer.
        words: what tables call it.
    """

    network: Callable[[], nn.Module]
    data: Callable[[Path], LightningDataModule]
    epochs: int
    seeds: int
    learning_rate: float
    words: str
    module: Callable[..., LightningModule] = Classifier
    settings: Mapping[str, Any] = field(default_factory=dict)
    accelerator: str = "cpu"

    def model(self) -> LightningModule:
        return self.module(self.network(), learning_rate=self.learning_rate, momentum=0.9)

    def corrupted(self, folder: Path, **corruption: Any) -> CorruptedDataModule:
        """Return the data with their labels corrupted as CorruptedDataModule takes it; clean ones without."""
        return CorruptedDataModule(self.data(folder), **corruption)

    @property
    def trainer(self) -> dict[str, Any]:
        return {"max_epochs": self.epochs, "accelerator": self.accelerator}

    def quick(self) -> "Work":
        """Return the same, trained hardly at all."""
        return replace(self, epochs=3, seeds=2)


def _digits(folder: Path) -> LightningDataModule:
    return DigitsDataModule(batch_size=64)


def _few_digits(folder: Path) -> LightningDataModule:
    return DigitsDataModule(batch_size=16, training_fraction=0.1)


def _mnist(folder: Path, images: int = MNIST_TRAINING, batch_size: int = 100) -> LightningDataModule:
    fraction = images / (60_000 - MNIST_VALIDATION)
    return VisionDataModule("mnist", str(folder), batch_size, training_fraction=fraction, num_val=MNIST_VALIDATION)


def _cifar10(folder: Path) -> LightningDataModule:
    fraction = CIFAR_TRAINING / (50_000 - CIFAR_VALIDATION)
    return FolderDataModule(
        str(folder / "cifar10"), 10, batch_size=128, training_fraction=fraction, num_val=CIFAR_VALIDATION
    )


WORKS = {
    "digits": Work(mlp, _digits, 20, 10, 0.1, "digits, 64-64-10"),
    "few digits": Work(mlp, _few_digits, 40, 10, 0.1, "108 digits, 64-64-10"),
    "wine": Work(lambda: mlp(3, 13), lambda _: Table(load_wine, 3, 13), 20, 10, 0.1, "wine, 13-64-3"),
    "breast cancer": Work(
        lambda: mlp(2, 30), lambda _: Table(load_breast_cancer, 2, 30), 20, 10, 0.1, "breast cancer, 30-64-2"
    ),
    "mnist": Work(lambda: mlp(10, 784, (200,)), _mnist, 10, 5, 0.05, f"MNIST, 784-200-10, {MNIST_TRAINING:,} images"),
    "mnist_cnn": Work(
        mnist_cnn,
        lambda folder: _mnist(folder, MNIST_CNN_TRAINING, batch_size=50),
        8,
        5,
        0.05,
        f"MNIST, the papers' CNN, {MNIST_CNN_TRAINING:,} images",
        settings=FEWER_CANDIDATES,
    ),
    "cifar10": Work(
        lambda: small_cnn(10, (3, 32, 32)),
        _cifar10,
        10,
        5,
        0.02,
        f"CIFAR-10, a small CNN, {CIFAR_TRAINING:,} images",
        settings=FEWER_CANDIDATES,
    ),
}
