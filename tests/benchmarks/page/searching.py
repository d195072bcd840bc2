"""One search of one family on one task, and the losses that its verdict compared."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from lightning.pytorch import LightningDataModule

from glo_lightning.compare.comparison import Comparison, compare_evaluations
from glo_lightning.compare.rivals import BASELINE, KNOWN, TUNED
from glo_lightning.compare.shared_trainings import SharedTrainings
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import CrossEntropyLoss, Loss
from glo_lightning.losses.known import known_losses
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.spaces.hyperparameters import RATE_FACTORS
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.search.storage.study import RIVAL_STAGE, fingerprint_of
from glo_lightning.training.choice import Way
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluation, Evaluator, Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from page.tasks import Work

Split = Literal["val", "test"]

DRIVE = {"family": "drive", "population_size": 8, "generations": 7, "known_first": False}
"""A search from cross-entropy alone."""

FAMILIES: dict[str, dict[str, Any]] = {
    "drive": DRIVE,
    "drive, rate": {**DRIVE, "joint": {LEARNING_RATE_FACTOR: RATE_FACTORS}},
    "known, drive": {**DRIVE, "known_first": True},
    "Taylor": {
        "family": "taylor", "parameters": "canonical", "start": "zeros", "population_size": 20, "generations": 5,
    },
    "trees": {
        "family": "glo", "population_size": 40, "generations": 3, "tuned_trees": 2, "coefficient_generations": 4,
    },
}  # fmt: skip
"""What is searched, by the names that tables give it.

"rate" is the learning rate, searched along with the loss; "known" are losses of the literature, with which a search of
drive losses opens unless told otherwise.
"""

FORMULAS = [name for name in FAMILIES if name != "trees"]
"""Families with a fixed number of parameters, whose searches take a third as long."""

QUICK = {"generations": 1, "finalists": 1, "finalist_seeds": 1, "rival_budget": 0.5}
"""Settings of a search that only shows that it runs."""

TOGETHER = 20
"""Trainings of a population at once."""


@dataclass(frozen=True)
class Searched:
    """A finished search.

    Args:
        result: with its verdict.
        runs: the losses of the verdict, by the names that its table has, without the twin; seeds are to be replaced.
        task: the model and the data.
        epochs: of every training.
        monitor: the metric.
        cpu_seconds: processor time that this process took; little if the search was there.
    """

    result: SearchResult
    runs: Mapping[str, Run]
    task: Task
    epochs: int
    monitor: Monitor
    cpu_seconds: float

    @property
    def comparison(self) -> Comparison:
        assert self.result.comparison is not None
        return self.result.comparison

    @property
    def trainings(self) -> int:
        """What finding and comparing the losses took."""
        results = self.comparison.results
        return sum(each.origin.cost + len(each.metrics) for each in results)

    def at_best_epoch(self) -> Comparison:
        """Compare the losses as they were after the epoch at which the validation metric was best.

        The learning rate is constant, so that a training of fewer epochs is the beginning of a longer one.
        """
        last = self._train(self.monitor)
        stopped = {name: list(each) for name, each in last.items()}
        by_epochs: dict[int, list[tuple[str, int]]] = {}
        for name, evaluations in last.items():
            for place, evaluation in enumerate(evaluations):
                curve = list(evaluation.curve)
                if curve:
                    best = curve.index(self.monitor.best(curve)) + 1
                    by_epochs.setdefault(best, []).append((name, place))
        seeds = self.comparison.seeds
        for epochs, places in sorted(by_epochs.items()):
            runs = [replace(self.runs[name], seed=seeds[place]) for name, place in places]
            evaluations = self._shared("stopped", self.monitor, epochs).evaluate(runs)
            for (name, place), evaluation in zip(places, evaluations, strict=True):
                stopped[name][place] = evaluation
        return self._compare(stopped, self.monitor)

    def by(self, monitor: Monitor) -> Comparison:
        """Compare the losses by another metric on the test split."""
        return self._compare(self._train(monitor), monitor)

    def on_validation(self, name: str, seeds: Sequence[int], epochs: int) -> tuple[list[float], list[float]]:
        """Return the validation metrics of a loss as a finalist, and as its full trainings ended.

        Args:
            name: of the loss.
            seeds: of finalists; nothing is trained, because the search has.
            epochs: of a candidate.
        """
        runs = [replace(self.runs[name], seed=seed) for seed in seeds]
        purpose = "finalists" if name == DISCOVERED else "rivals"
        fresh = self._shared(purpose, self.monitor, epochs, "val").evaluate(runs)
        full = self._train(self.monitor)[name]
        worst = self.monitor.worst_metric
        return [each.metric for each in fresh], [each.curve[-1] if each.curve else worst for each in full]

    def _compare(self, evaluations: Mapping[str, Sequence[Evaluation]], monitor: Monitor) -> Comparison:
        origins = {each.name: each.origin for each in self.comparison.results}
        return compare_evaluations(
            evaluations, monitor, self.comparison.seeds, epochs=self.epochs, focus=DISCOVERED, origins=origins
        )

    def _train(self, monitor: Monitor) -> dict[str, list[Evaluation]]:
        """Train all losses fully; what the verdict has trained for the same metric is read from its study."""
        seeds = self.comparison.seeds
        every = [replace(run, seed=seed) for run in self.runs.values() for seed in seeds]
        evaluations = iter(self._shared("comparison", monitor, self.epochs).evaluate(every))
        return {name: [next(evaluations) for _ in seeds] for name in self.runs}

    def _shared(self, purpose: str, monitor: Monitor, epochs: int, split: Split = "test") -> SharedTrainings:
        way: Way = self.result.study.user_attrs["evaluator"]
        basis, batch = {"epochs": epochs, "split": split}, TOGETHER if way == "population" else 1
        evaluator = make_evaluator(way, self.task, monitor, epochs, split)
        return SharedTrainings(evaluator, self.result.study, purpose, basis, monitor, batch=batch)


def make_evaluator(way: Way, task: Task, monitor: Monitor, epochs: int, split: Split = "test") -> Evaluator:
    """Return what trains one after another, or all together."""
    make = PopulationEvaluator if way == "population" else TrainerEvaluator
    return make(task, monitor, epochs=epochs, split=split)


def search(
    work: Work,
    data: LightningDataModule,
    family: str,
    seed: int,
    folder: Path,
    monitor: Monitor | None = None,
    class_aware: bool = False,
    quick: bool = False,
    shorter: int = 1,
) -> Searched:
    """Search, or go on with a search, or read one that has finished.

    Args:
        work: what is trained, and how long.
        data: on what.
        family: one of ``FAMILIES``.
        seed: of the search.
        folder: where it is kept; whoever calls with the same searches along.
        monitor: what is searched for; accuracy by default.
        class_aware: whether losses know how frequent classes are.
        quick: whether only to show that it runs.
        shorter: how many times a candidate's training goes into one of the verdict.
    """
    monitor = monitor or Monitor()
    settings = {**FAMILIES[family], **work.settings, **(QUICK if quick else {})}
    if class_aware and family != "trees":
        settings["class_aware"] = True
    if quick and family == "trees":
        settings |= {"tuned_trees": 1, "coefficient_generations": 1}
    started, trainer = time.process_time(), {**work.trainer, "max_epochs": -(-work.epochs // shorter)}
    result = LossSearch(
        **settings, monitor=monitor.name, mode=monitor.mode, seed=seed, comparison_seeds=work.seeds,
        comparison_epochs=work.epochs, study_name=folder.name, output_dir=folder, verbosity="quiet",
    ).run(work.model, data, trainer)  # fmt: skip
    task = python_task(work.model, data, trainer)
    return Searched(result, runs_of(result), task, work.epochs, monitor, time.process_time() - started)


def runs_of(result: SearchResult) -> dict[str, Run]:
    """Return the losses of a verdict and the hyperparameters they had, by name; the twin is left out."""
    assert result.comparison is not None
    runs = {BASELINE: Run(CrossEntropyLoss(), 0)}
    for each in result.comparison.results:
        if each.name.endswith(TUNED):
            runs[each.name] = _tuned(result, each.origin.note)
        elif each.name.startswith(KNOWN):
            runs[each.name] = Run(_known(result, each.name.removeprefix(KNOWN)), 0)
    return {**runs, DISCOVERED: Run(result.discovered_loss, 0, hyperparameters=result.discovered_hyperparameters)}


def _tuned(result: SearchResult, note: str) -> Run:
    """Return the candidate of the rival's study that the verdict describes so."""
    study, space = _rival(result)
    candidates = read_candidates(study)
    parameters = next(each.parameters for each in candidates if space.describe(each.parameters) == note)
    rate = {LEARNING_RATE_FACTOR: parameters[LEARNING_RATE_FACTOR]}
    return Run(space.build(parameters), 0, hyperparameters=rate)


def _known(result: SearchResult, name: str) -> Loss:
    _, space = _rival(result)
    num_classes = fingerprint_of(result.study)["num_classes"]
    return known_losses(num_classes, space.class_counts or None)[name.replace(" ", "_")].loss


def _rival(result: SearchResult) -> tuple[optuna.Study, RivalSpace]:
    study = optuna.load_study(study_name=result.study.study_name + RIVAL_STAGE, storage=storage_of(result.study))
    space = space_of(study)
    assert isinstance(space, RivalSpace)
    return study, space
