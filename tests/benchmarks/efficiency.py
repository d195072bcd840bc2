"""How many candidates a search needs, family by family: what it would have found had it stopped earlier.

python tests/benchmarks/efficiency.py [--task noisy|clean|long_tail] [--seeds 3] [--budgets 24 48 96 192 384]

A search is the beginning of every longer one of the same seed. For each budget the five best candidates until then are
re-scored on validation with three fresh seeds, as a search does, and the winner is measured on the test split with ten
more, which no search sees. Digits, 64-64-10; "noisy" has half of the training and validation labels wrong.
"""

import argparse
import tempfile
import time
from typing import Any

import numpy as np

from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss, Loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import ranked, read_candidates
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task

TASKS = {"noisy": {"label_noise": 0.5}, "clean": {}, "long_tail": {"long_tail": 50}}
EPOCHS = {"noisy": 20, "clean": 12, "long_tail": 20}
FAMILIES: dict[str, dict[str, Any]] = {
    "drive": {"family": "drive", "population_size": 8},
    "canonical": {"family": "taylor", "parameters": "canonical", "population_size": 20},
    "theta": {"family": "taylor", "parameters": "theta", "population_size": 20},
}
FINALISTS, RESCORES, TESTS = 5, 3, 10


def model() -> Classifier:
    return Classifier(mlp(), learning_rate=0.1, momentum=0.9)


def scores(task: Task, monitor: Monitor, split: Any, losses: list[Loss], seeds: range) -> np.ndarray:
    runs = [Run(loss, seed) for loss in losses for seed in seeds]
    evaluations = PopulationEvaluator(task, monitor, split=split).evaluate(runs)
    return np.array([each.metric for each in evaluations]).reshape(len(losses), -1).mean(-1)


def search(task: str, family: str, seed: int, budgets: list[int]) -> list[float]:
    settings = FAMILIES[family]
    monitor = Monitor("val_balanced_accuracy" if task == "long_tail" else "val_accuracy")
    data = CorruptedDataModule(DigitsDataModule(batch_size=64), **TASKS[task])
    trainer = {"max_epochs": EPOCHS[task], "accelerator": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        result = LossSearch(
            **settings, generations=-(-max(budgets) // settings["population_size"]), monitor=monitor.name, seed=seed,
            class_aware=task == "long_tail", comparison_seeds=0, finalists=1, finalist_seeds=1, storage="memory",
            output_dir=folder, verbosity="quiet",
        ).run(model, data, trainer)  # fmt: skip
    candidates, space, python = read_candidates(result.study), space_of(result.study), python_task(model, data, trainer)
    found = []
    for budget in budgets:
        best = ranked(candidates[:budget], monitor)[:FINALISTS]
        losses = [space.build(each.parameters) for each in best]
        winner = losses[int(scores(python, monitor, "val", losses, range(1000, 1000 + RESCORES)).argmax())]
        found.append(float(scores(python, monitor, "test", [winner], range(2000, 2000 + TESTS))[0]))
    if seed == 0:
        (plain,) = scores(python, monitor, "test", [CrossEntropyLoss()], range(2000, 2000 + TESTS))
        print(f"cross-entropy as it is: {plain:.4f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=list(TASKS), default="noisy")
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", nargs="+", type=int, default=[24, 48, 96, 192, 384])
    options = parser.parse_args()
    print(f"{'':12}" + "".join(f"{budget:>16}" for budget in options.budgets))
    for family in options.families:
        started = time.perf_counter()
        found = np.array([search(options.task, family, seed, options.budgets) for seed in range(options.seeds)])
        cells = [f"{mean:8.4f} ± {std:.4f}" for mean, std in zip(found.mean(0), found.std(0, ddof=1), strict=True)]
        print(f"{family:12}" + "".join(f"{cell:>16}" for cell in cells) + f"   {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
