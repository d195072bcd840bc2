"""Six tasks: digits, labels wrong, wrong by pairs or right, or classes rare; small MNIST, labels wrong or right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.datasets import MNIST

from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import Task, python_task

CLASSES = 10


@cache
def read_mnist(root: str, train: bool) -> tuple[Tensor, Tensor]:
    images = MNIST(root, train=train)
    small = nn.functional.avg_pool2d(images.data.unsqueeze(1).float() / 255.0, 2)
    return small, images.targets


class SmallMnist(TensorDataModule):
    """Images to train on and to validate from MNIST's training set, others for each seed; all of its test images."""

    num_classes, input_shape = CLASSES, (1, 14, 14)

    def __init__(self, root: str, draw: int) -> None:
        super().__init__(batch_size=64)
        self.root, self.draw = root, draw

    def load(self) -> Splits:
        images, labels = read_mnist(self.root, train=True)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.draw))[:4500]
        train, val = order[:3000], order[3000:]
        return Splits((images[train], labels[train]), (images[val], labels[val]), read_mnist(self.root, train=False))


@dataclass(frozen=True)
class Problem:
    epochs: int
    corruption: Mapping[str, Any] = field(default_factory=dict)
    mnist: bool = False

    @property
    def class_aware(self) -> bool:
        return "long_tail" in self.corruption

    @property
    def monitor(self) -> Monitor:
        return Monitor("val_balanced_accuracy" if self.class_aware else "val_accuracy")

    def task(self, seed: int, root: str) -> Task:
        inner = SmallMnist(root, seed) if self.mnist else DigitsDataModule(batch_size=64, split_seed=seed)
        data = CorruptedDataModule(inner, **self.corruption, seed=seed)
        network = {"in_features": 196 if self.mnist else 64, "hidden": (64,)}
        return python_task(
            lambda: Classifier(mlp(**network), learning_rate=0.1, momentum=0.9),  # type: ignore[arg-type]
            data,
            {"max_epochs": self.epochs, "accelerator": "cpu"},
        )


TASKS = {
    "noisy": Problem(20, {"label_noise": 0.5}),
    "clean": Problem(12),
    "long_tail": Problem(20, {"long_tail": 50}),
    "pairs": Problem(20, {"label_noise": 0.4, "kind": "pairs"}),
    "mnist_noisy": Problem(10, {"label_noise": 0.5}, mnist=True),
    "mnist_clean": Problem(6, mnist=True),
}
