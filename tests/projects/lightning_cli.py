"""A LightningCLI with a link, an optimizer and a callback of its own."""

import sys

from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch.optim import Adam

from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp


class Perceptron(Classifier):
    def __init__(self, width: int = 16, batch_size: int = 64) -> None:
        super().__init__(mlp(hidden=(width,)))
        self.batch_size = batch_size


class MyCLI(LightningCLI):
    def __init__(self, **given) -> None:
        super().__init__(Perceptron, DigitsDataModule, **given)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_optimizer_args(Adam)
        parser.link_arguments("data.batch_size", "model.batch_size")
        parser.add_lightning_class_args(EarlyStopping, "stopping")
        parser.set_defaults({"stopping.monitor": "val_accuracy", "stopping.mode": "max", "optimizer.lr": 0.01})


if __name__ == "__main__":
    MyCLI(args=sys.argv[1:])
