"""Many searches at once, and the file that keeps what they found."""

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from cost.searcher import Searcher
from cost.tasks import CLASSES, TASKS
from cost.trainings import Search, choose, list_known
from cost.variant import Variant
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.task import Task

TOGETHER = 96
CROSS_ENTROPY, LITERATURE = "cross-entropy", "known losses alone"


def search_together(searches: Mapping[str, Search], task: Task, monitor: Monitor) -> Iterable[tuple[str, Any]]:
    """Run searches side by side, their trainings in common populations; yield name and result of each at its end."""
    evaluators = {split: PopulationEvaluator(task, monitor, split=split) for split in ("val", "test")}  # type: ignore[arg-type]
    waiting = {name: next(search) for name, search in searches.items()}
    while waiting:
        for split in ("val", "test"):
            requests = {name: request for name, request in waiting.items() if request.split == split}
            runs = [run for request in requests.values() for run in request.runs]
            chunks = (runs[start : start + TOGETHER] for start in range(0, len(runs), TOGETHER))
            evaluations = iter([each for chunk in chunks for each in evaluators[split].evaluate(chunk)])
            for name, request in requests.items():
                try:
                    waiting[name] = searches[name].send([next(evaluations) for _ in request.runs])
                except StopIteration as end:
                    del waiting[name]
                    yield name, end.value


def read(output: Path) -> dict[tuple[str, str, int], dict[str, list[float]]]:
    """Return what has been measured, by task, variant and seed."""
    lines = output.read_text().splitlines() if output.exists() else []
    records = map(json.loads, lines)
    return {(each["task"], each["variant"], each["seed"]): each["found"] for each in records}


def measure(options: argparse.Namespace, variants: Mapping[str, Variant]) -> None:
    """Run the searches that are not in the file of results, and add theirs."""
    for seed in range(options.seeds):
        for where in options.tasks:
            problem, done = TASKS[where], read(options.output)
            task = problem.task(seed, options.data)
            task.datamodule.setup("fit")
            counts = torch.bincount(task.datamodule.inner.train_tensors[1], minlength=CLASSES).tolist()  # type: ignore[union-attr]
            searchers: dict[str, Search] = {
                name: Searcher(variant.until(options.longest), problem, seed, counts).run()
                for name, variant in variants.items()
            }
            references = {CROSS_ENTROPY: [CrossEntropyLoss()], LITERATURE: list_known(problem, counts)}
            searchers |= {name: choose(losses, seed) for name, losses in references.items()}
            wanted = {name: each for name, each in searchers.items() if (where, name, seed) not in done}
            with options.output.open("a") as file:
                for name, found in search_together(wanted, task, problem.monitor):
                    record = {"task": where, "variant": name, "seed": seed, "found": found}
                    print(json.dumps(record), file=file, flush=True)
            print(f"{where}, seed {seed}: {len(wanted)} searches", flush=True)
