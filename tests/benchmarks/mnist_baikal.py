"""GLO's losses against cross-entropy on MNIST with the paper's network: accuracy after 200, 1,000 and 2,000 steps.

python tests/benchmarks/mnist_baikal.py --data DIR --output mnist_baikal.jsonl [--seeds 10] [--together 1]

DIR holds MNIST/raw. SGD with learning rate 0.01 and batches of 100, as in the paper; all losses as their sums over
classes, so that at the start Baikal's gradient is 10 times cross-entropy's. Cross-entropy times 10 trains, too, and so
do Baikal and BaikalCMA with the printed factor of one over the number of classes, which tells what their shapes do
apart from their scales. Test accuracy is read on the way, every 200 steps; nothing is selected by it. Each finished
training is a line of the output; those that are there are not trained again.

Source: GLO, section 4.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from glo_lightning.data import VisionDataModule
from glo_lightning.data.tensor_data import Splits
from glo_lightning.losses import BaikalCMALoss, BaikalLoss, CrossEntropyLoss, Loss, ScaledLoss
from glo_lightning.models import Classifier, mnist_cnn
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator

LOSSES: dict[str, Callable[[], Loss]] = {
    "cross-entropy": CrossEntropyLoss,
    "cross-entropy × 10": lambda: ScaledLoss(CrossEntropyLoss(), 10.0),
    "Baikal": BaikalLoss,
    "BaikalCMA": BaikalCMALoss,
    "Baikal / 10": lambda: BaikalLoss(class_reduction="mean"),
    "BaikalCMA / 10": lambda: BaikalCMALoss(class_reduction="mean"),
}

LEARNING_RATE = 0.01

Job = tuple[str, int]
"""A loss and a seed."""


class WatchedMnist(VisionDataModule):
    """MNIST whose test images are looked at during training."""

    def __init__(self, root: str) -> None:
        super().__init__("mnist", root, batch_size=100)

    def load(self) -> Splits:
        splits = super().load()
        return replace(splits, val=splits.test)


def make_evaluator(options: argparse.Namespace) -> Evaluator:
    trainer = {
        "max_epochs": max(options.steps) // interval(options),
        "limit_train_batches": interval(options),
        "accelerator": "gpu" if torch.cuda.is_available() else "cpu",
        "devices": 1,
    }
    task = python_task(make_model, WatchedMnist(options.data), trainer)
    if options.together == 1:
        return TrainerEvaluator(task, Monitor())
    return PopulationEvaluator(task, Monitor())


def make_model() -> Classifier:
    network = mnist_cnn().to(memory_format=torch.channels_last)  # A fifth faster on a CPU.
    return Classifier(network, learning_rate=LEARNING_RATE, momentum=0.0)


def interval(options: argparse.Namespace) -> int:
    """Return the steps between two looks at the test images, which to the Trainer are an epoch."""
    return math.gcd(*options.steps)


def train(jobs: Sequence[Job], evaluator: Evaluator, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train losses with seeds together, and return one record each."""
    seen: list[dict[int, float]] = [{} for _ in jobs]

    def report(place: int, epoch: int, accuracy: float) -> bool:
        seen[place][(epoch + 1) * interval(options)] = accuracy
        return False

    runs = [Run(LOSSES[loss](), seed, partial(report, place)) for place, (loss, seed) in enumerate(jobs)]
    return [
        {
            "loss": loss,
            "seed": seed,
            # A training that diverged has the accuracy of chance from then on.
            "accuracy": {str(step): accuracies.get(step, 0.1) for step in options.steps},
            "status": evaluation.status,
            "seconds": round(evaluation.seconds, 1),
        }
        for (loss, seed), accuracies, evaluation in zip(jobs, seen, evaluator.evaluate(runs), strict=True)
    ]


def read(options: argparse.Namespace) -> dict[Job, dict[str, Any]]:
    """Return the finished trainings that were looked at after all the steps."""
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    records = [json.loads(line) for line in lines]
    steps = {str(step) for step in options.steps}
    return {(record["loss"], record["seed"]): record for record in records if steps <= record["accuracy"].keys()}


def print_table(records: dict[Job, dict[str, Any]], steps: Sequence[int]) -> None:
    def accuracies(loss: str, step: int) -> list[float]:
        return [record["accuracy"][str(step)] for (name, _), record in records.items() if name == loss]

    print(f"{'test accuracy after':<20}" + "".join(f"{f'{step:,} steps':>18}" for step in steps) + f"{'seeds':>8}")
    for loss in LOSSES:
        cells = [
            f"{mean(found):.4f} ± {stdev(found):.4f}" for step in steps if len(found := accuracies(loss, step)) > 1
        ]
        print(f"{loss:<20}" + "".join(f"{cell:>18}" for cell in cells) + f"{len(accuracies(loss, steps[0])):>8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST/raw")
    parser.add_argument("--output", type=Path, required=True, help="file of finished trainings, one JSON line each")
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--steps", type=int, nargs="+", default=[200, 1000, 2000])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--together", type=int, default=1, help="models trained at once; more pays on a GPU")
    options = parser.parse_args()
    done = read(options)
    jobs = [(loss, seed) for seed in range(options.seeds) for loss in options.losses if (loss, seed) not in done]
    evaluator = make_evaluator(options)
    for start in range(0, len(jobs), options.together):
        began = time.perf_counter()
        records = train(jobs[start : start + options.together], evaluator, options)
        with options.output.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
        print(f"{start + len(records)} of {len(jobs)} trained, {time.perf_counter() - began:.0f} s", flush=True)
    print_table(read(options), options.steps)


if __name__ == "__main__":
    main()
