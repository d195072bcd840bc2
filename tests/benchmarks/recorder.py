"""What the attraction recorder costs, at its defaults, as a share of an epoch.

python tests/benchmarks/recorder.py [--data DIR]

The recorder's hook after each epoch is compared with the epoch without it: the digits with a 64-64-10 perceptron, the
smallest training there is, and, given a folder with MNIST/raw, MNIST with a small convolutional network. The figure
drawn once after the fit is left out. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import logging
import tempfile
import time
import warnings
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from torch import nn

from glo_lightning.callbacks import AttractionRecorder, LossInjection
from glo_lightning.data import DigitsDataModule, Splits, TensorDataModule
from glo_lightning.losses import named_loss
from glo_lightning.models import Classifier, mlp, small_cnn


class TimedRecorder(AttractionRecorder):
    """Times itself and the epochs, in processor seconds, which neighbours disturb less than the clock."""

    def on_train_start(self, *arguments: Any) -> None:
        super().on_train_start(*arguments)
        self.own_seconds, self.started = 0.0, time.process_time()

    def on_train_epoch_end(self, *arguments: Any) -> None:
        before = time.process_time()
        super().on_train_epoch_end(*arguments)
        self.seconds = time.process_time() - self.started
        self.own_seconds += time.process_time() - before


class Mnist(TensorDataModule):
    num_classes, input_shape = 10, (1, 28, 28)

    def __init__(self, root: str) -> None:
        super().__init__(batch_size=128)
        self.root = root

    def load(self) -> Splits:
        from torchvision.datasets import MNIST

        data = MNIST(self.root)
        inputs, target = data.data.unsqueeze(1).float() / 255.0, data.targets
        return Splits(
            *((inputs[part], target[part]) for part in (slice(50_000), slice(50_000, 55_000), slice(55_000, 60_000)))
        )


def measure(name: str, loss: str, network: nn.Module, data: LightningDataModule, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorder = TimedRecorder(directory)
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[LossInjection(named_loss(loss)), recorder],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Classifier(network, learning_rate=0.05), data)
    own, rest = recorder.own_seconds / epochs, (recorder.seconds - recorder.own_seconds) / epochs
    print(f"{name:<24}{loss:<16}{1e3 * rest:>10.1f} ms{1e3 * own:>10.2f} ms{100.0 * own / rest:>9.2f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds MNIST/raw")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    print(f"{'training':<24}{'loss':<16}{'epoch':>13}{'recorder':>13}{'share':>11}")
    for loss in ("cross_entropy", "taylorglo_1", "baikal"):
        measure("digits, mlp", loss, mlp(), DigitsDataModule(), epochs=100)
    measure("digits, small_cnn", "taylorglo_1", small_cnn(), DigitsDataModule(), epochs=50)
    if arguments.data:
        measure("MNIST, small_cnn", "taylorglo_1", small_cnn(input_shape=(1, 28, 28)), Mnist(arguments.data), epochs=2)


if __name__ == "__main__":
    main()
