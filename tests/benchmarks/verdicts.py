"""What a verdict says on small tasks of many kinds: the strongest rival, and how the loss found does against it.

python tests/benchmarks/verdicts.py [--tasks clean "half wrong" ...] [--seed 0]
python tests/benchmarks/verdicts.py --grid "half wrong"    # cross-entropy tuned by the test split itself: all it has

Data come with scikit-learn. Each search has 56 candidates, or 96 where weights of classes are searched, too; its
rivals are tuned with as many trainings, and compared with ten seeds. Where labels or targets are wrong, they are so
in training and validation alike, and right in the test split.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from page.tasks import Table
from sklearn.datasets import load_breast_cancer, load_wine

from glo_lightning.compare.tables import comparison_rows, headline
from glo_lightning.data import CorruptedDataModule, DiabetesDataModule, DigitsDataModule
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, Regressor, mlp
from glo_lightning.search import LossSearch
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task


def digits(**corruption: Any) -> LightningDataModule:
    return CorruptedDataModule(DigitsDataModule(batch_size=64), **corruption)


def classify(width: int = 64, num_classes: int = 10) -> Callable[[], LightningModule]:
    return lambda: Classifier(mlp(num_classes=num_classes, in_features=width), learning_rate=0.1, momentum=0.9)


def predict() -> LightningModule:
    return Regressor(mlp(num_classes=1, in_features=10, hidden=(32,)), learning_rate=0.01, momentum=0.9)


LONG_TAIL = {"class_aware": True, "monitor": "val_balanced_accuracy", "population_size": 12, "generations": 8}
DRIVE = {"family": "drive", "known_first": False}  # the literature's losses are its rivals
NUMBERS = {"family": "residual", "outputs": "real", "monitor": "val_mae", "mode": "min"}

TASKS: dict[str, tuple[Callable[[], LightningModule], Callable[[], LightningDataModule], int, dict[str, Any]]] = {
    "clean": (classify(), digits, 12, {}),
    "a quarter wrong": (classify(), lambda: digits(label_noise=0.25), 20, {}),
    "half wrong": (classify(), lambda: digits(label_noise=0.5), 20, {}),
    "two fifths wrong, by pairs": (classify(), lambda: digits(label_noise=0.4, kind="pairs"), 20, {}),
    "few": (classify(), lambda: DigitsDataModule(batch_size=16, training_fraction=0.1), 40, {}),
    "long tail": (classify(), lambda: digits(long_tail=50.0), 20, LONG_TAIL),
    "wine": (classify(13, 3), lambda: Table(load_wine, 3, 13), 20, {}),
    "breast cancer, a third wrong": (
        classify(30, 2),
        lambda: CorruptedDataModule(Table(load_breast_cancer, 2, 30), label_noise=0.33),
        20,
        {},
    ),
    "numbers": (predict, lambda: DiabetesDataModule(batch_size=32), 10, NUMBERS),
    "numbers, a tenth far off": (
        predict,
        lambda: CorruptedDataModule(DiabetesDataModule(batch_size=32), outliers=0.1),
        10,
        NUMBERS,
    ),
}
"""Model, data, epochs and settings by name."""

RATES, SMOOTHINGS = (0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0), (0.0, 0.3, 0.6, 0.9)


def tell_grid(name: str) -> None:
    model, data, epochs, _ = TASKS[name]
    task = python_task(model, data(), {"max_epochs": epochs, "accelerator": "cpu"})
    cells = [(rate, smoothing) for rate in RATES for smoothing in SMOOTHINGS]
    runs = [
        Run(CrossEntropyLoss(label_smoothing=smoothing), seed, hyperparameters={LEARNING_RATE_FACTOR: rate})
        for rate, smoothing in cells
        for seed in range(3)
    ]
    metrics = [each.metric for each in PopulationEvaluator(task, Monitor(), split="test").evaluate(runs)]
    print("learning rate ×, smoothing, test accuracy of three seeds")
    for place, (rate, smoothing) in enumerate(cells):
        print(f"{rate:5} {smoothing:5} {sum(metrics[3 * place : 3 * place + 3]) / 3:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grid", choices=[name for name in TASKS if "numbers" not in name])
    arguments = parser.parse_args()
    if arguments.grid:
        tell_grid(arguments.grid)
        return
    for name in arguments.tasks:
        model, data, epochs, settings = TASKS[name]
        asked = {"generations": 7, "population_size": 8, **(settings if "family" in settings else DRIVE | settings)}
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = LossSearch(
                **asked, comparison_epochs=epochs, seed=arguments.seed, output_dir=folder, verbosity="quiet"
            ).run(model, data(), {"max_epochs": epochs, "accelerator": "cpu"})
        assert result.comparison is not None
        print(f"## {name}: {time.perf_counter() - started:.0f} s")
        for row in comparison_rows(result.comparison):
            print("  " + " | ".join(row))
        print(f"  {headline(result.comparison)}\n", flush=True)


if __name__ == "__main__":
    main()
