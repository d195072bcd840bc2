"""Candidates per minute by number of workers, and what a training costs more on two ranks.

    python tests/benchmarks/scaling.py [--workers 1 2] [--repeats 3] [--candidates 120] [--epochs 3]

Workers: TaylorGLO on digits with the Trainer, from the first claim to the last verdict, so that the start of the
processes does not count. The numbers of workers take turns, because other work on the machine comes and goes.
Ranks: seconds per training of the same network by one process, and by two gloo processes with half the batch each.
"""

import argparse
import functools
import json
import statistics
import tempfile
import time
from pathlib import Path

import optuna

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.search.workers.local import LocalLauncher
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.distributed import Channel, DistributedEvaluator, serve
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.placement import place
from glo_lightning.training.run import Evaluator, Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator

POPULATION = 20
TRAININGS = 20


def make_model() -> Classifier:
    return Classifier(mlp(hidden=(64,)), learning_rate=0.1)


def candidates_per_minute(workers: int, storage: str, candidates: int, epochs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        search = LossSearch(
            generations=candidates // POPULATION, population_size=POPULATION, invariant="none", evaluator="trainer",
            finalists=1, finalist_seeds=1, comparison_seeds=0, workers=workers, output_dir=folder,
            storage=f"{folder}/{storage}",
        )  # fmt: skip
        result = search.run(make_model, DigitsDataModule(), {"max_epochs": epochs, "accelerator": "cpu"})
        trials = result.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    begin = min(trial.datetime_start for trial in trials)
    end = max(trial.datetime_complete for trial in trials)
    return 60.0 * len(trials) / (end - begin).total_seconds()


def make_task(devices: int, epochs: int) -> Task:
    strategy = "ddp" if devices > 1 else "auto"
    trainer = {"max_epochs": epochs, "accelerator": "cpu", "devices": devices, "strategy": strategy}
    return python_task(make_model, DigitsDataModule(batch_size=64 // devices), trainer)


def seconds_per_training(evaluator: Evaluator) -> list[float]:
    evaluator.evaluate([Run(CrossEntropyLoss(), 0)])
    return [evaluator.evaluate([Run(CrossEntropyLoss(), seed)])[0].seconds for seed in range(TRAININGS)]


def train_as_rank(epochs: int, file: Path) -> None:
    task, monitor = make_task(2, epochs), Monitor()
    probe_task(task, monitor)
    with Channel() as channel:
        if place(task).rank > 0:
            serve({"": lambda: task}, monitor, "loss_fn", channel)
        else:
            evaluator = DistributedEvaluator(TrainerEvaluator(task, monitor), channel)
            file.write_text(json.dumps(seconds_per_training(evaluator)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'storage':<10} {'workers':>7} {'candidates/minute':>18} {'times one':>10}   each repeat")
    for storage in ("study.db", "study.log"):
        rates: dict[int, list[float]] = {workers: [] for workers in arguments.workers}
        for _ in range(arguments.repeats):
            for workers in arguments.workers:
                rates[workers].append(candidates_per_minute(workers, storage, arguments.candidates, arguments.epochs))
        single = statistics.median(rates[arguments.workers[0]])
        for workers, each in rates.items():
            rate = statistics.median(each)
            listed = " ".join(f"{value:.0f}" for value in each)
            print(f"{storage:<10} {workers:>7} {rate:>18.0f} {rate / single:>10.2f}   {listed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seconds.json"
        started = time.perf_counter()
        LocalLauncher(
            functools.partial(train_as_rank, arguments.epochs, file), [{"OMP_NUM_THREADS": "1"}], ranks=2
        ).run()
        total = time.perf_counter() - started
        together = json.loads(file.read_text())
    alone = seconds_per_training(TrainerEvaluator(make_task(1, arguments.epochs), Monitor()))
    print(f"\none process {1e3 * statistics.median(alone):.0f} ms a training, two ranks "
          f"{1e3 * statistics.median(together):.0f} ms (best {1e3 * min(alone):.0f} and {1e3 * min(together):.0f}); "
          f"starting the ranks and {TRAININGS + 2} trainings {total:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
