"""Choose what trains: one model after another or all at once, in one process or in ranks, on one task or on several."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal, cast

import optuna

from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.search.monitors import search_monitor, task_monitor
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.decision import decide_once
from glo_lightning.search.tasks import ProbedTask, naming
from glo_lightning.training.choice import Way, choose_evaluator
from glo_lightning.training.distributed import Channel, DistributedEvaluator
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Split
from glo_lightning.training.several_tasks import Reference, SeveralTasksEvaluator, measure_reference
from glo_lightning.training.trainer import TrainerEvaluator

Length = Literal["partial", "full"]


class EvaluatorFactory:
    """Makes the evaluators of one search.

    Args:
        settings: of the search.
        tasks: that every candidate is trained on.
        channel: to the other ranks that train with this process; None if it trains alone.

    Attributes:
        monitor: the metric that becomes a candidate's score.
        way: how candidates train; the Trainer until :meth:`prepare` was called.
        references: of several tasks, by their names; none until :meth:`prepare` was called.
    """

    def __init__(self, settings: SearchSettings, tasks: Sequence[ProbedTask], channel: Channel | None = None) -> None:
        self.settings = settings
        self.tasks = tasks
        self.channel = channel
        self.monitor = search_monitor(settings)
        self.way: Way = "trainer"
        self.references: dict[str, Reference] = {}

    def prepare(self, study: optuna.Study, say: Callable[[str], None]) -> None:
        """Choose how candidates train, and measure what cross-entropy achieves on each of several tasks.

        Both are done once, by one of all workers, and hold for the life of the study.

        Args:
            study: of the search.
            say: takes lines about it.
        """
        if self.channel is None:
            self._choose(study, say)
        if len(self.tasks) > 1:
            stored = json.loads(decide_once(study, "references", self._measure_references))
            self.references = {name: Reference(**each) for name, each in stored.items()}

    def _choose(self, study: optuna.Study, say: Callable[[str], None]) -> None:
        if self.settings.evaluator == "auto":
            self.way = cast(Way, decide_once(study, "evaluator", lambda: self._try_out(say)))
        else:
            self.way = self._try_out(say)
        study.set_user_attr("evaluator", self.way)

    def _try_out(self, say: Callable[[str], None]) -> Way:
        if set(self.settings.joint) - {LEARNING_RATE_FACTOR} and self.settings.evaluator != "trainer":
            say("Training one candidate after another: the candidates differ in their hyperparameters.")
            return "trainer"
        together = -(-self.settings.candidates_per_generation // self.settings.workers)
        ways = [
            choose_evaluator(
                self.settings.evaluator, each.task, task_monitor(self.settings), self.settings.loss_attribute,
                together, say,
            )
            for each in self.tasks
        ]  # fmt: skip
        return "population" if set(ways) == {"population"} else "trainer"

    def _measure_references(self) -> str:
        return json.dumps({task.name: asdict(self._measure(task)) for task in self.tasks})

    def _measure(self, task: ProbedTask) -> Reference:
        settings = self.settings
        with naming(task.name):
            return measure_reference(
                task.task, task_monitor(settings), settings.loss_attribute, settings.seed, settings.outputs
            )

    def share(self, count: int) -> int:
        """Return how many trainings out of so many a worker claims at once: its share, where they train together."""
        return -(-count // self.settings.workers) if self.way == "population" else 1

    def make(self, length: Length = "partial", split: Split = "val", abort: bool = False) -> Evaluator:
        """Return an evaluator of candidates, which scores by :attr:`monitor`.

        Args:
            length: of a training.
            split: what scores.
            abort: whether hopeless trainings are given up and tried with another seed.
        """
        evaluators = {each.name: self.make_for(each, length, split, abort) for each in self.tasks}
        if len(self.tasks) == 1:
            return evaluators[self.tasks[0].name]
        return SeveralTasksEvaluator(evaluators, self.references, task_monitor(self.settings))

    def make_for(self, task: ProbedTask, length: Length, split: Split, abort: bool = False) -> Evaluator:
        """Return an evaluator on one of the tasks, which scores by the settings' monitor."""
        arguments = (
            task.task,
            task_monitor(self.settings),
            self.settings.loss_attribute,
            task.epochs if length == "partial" else task.full_epochs,
            split,
            task.abort if abort else None,
        )
        if self.way == "population":
            return PopulationEvaluator(*arguments)
        evaluator = TrainerEvaluator(*arguments)
        return evaluator if self.channel is None else DistributedEvaluator(evaluator, self.channel)
