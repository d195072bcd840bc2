"""Choose what trains: one model after another or all at once, in one process or in several ranks."""

from collections.abc import Callable
from typing import Literal, cast

import optuna

from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.shared import decide_once
from glo_lightning.training.choice import Way, choose_evaluator
from glo_lightning.training.distributed import Channel, DistributedEvaluator
from glo_lightning.training.evaluation import Evaluator, Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.task import Task
from glo_lightning.training.trainer import TrainerEvaluator
from glo_lightning.training.watch import AbortRule


class EvaluatorFactory:
    """Makes the evaluators of one search.

    Args:
        settings: of the search.
        task: what is trained.
        monitor: the metric that becomes the score.
        channel: to the other ranks that train with this process; None if it trains alone.

    Attributes:
        way: how candidates train; the Trainer until :meth:`choose` was called.
    """

    def __init__(self, settings: SearchSettings, task: Task, monitor: Monitor, channel: Channel | None = None) -> None:
        self.settings = settings
        self.task = task
        self.monitor = monitor
        self.channel = channel
        self.way: Way = "trainer"

    def choose(self, study: optuna.Study, say: Callable[[str], None]) -> None:
        """Choose how candidates train; with ``auto``, once for all workers and for the life of the study.

        Args:
            study: of the search.
            say: takes a line about the choice.
        """
        if self.channel is not None:
            return
        if self.settings.evaluator == "auto":
            self.way = cast(Way, decide_once(study, "evaluator", lambda: self._try_out(say)))
        else:
            self.way = self._try_out(say)
        study.set_user_attr("evaluator", self.way)

    def _try_out(self, say: Callable[[str], None]) -> Way:
        if self.settings.joint and self.settings.evaluator != "trainer":
            say("Training one candidate after another: the candidates differ in their hyperparameters.")
            return "trainer"
        return choose_evaluator(
            self.settings.evaluator, self.task, self.monitor, self.settings.loss_attribute, self._share, say
        )

    @property
    def batch(self) -> int:
        """Candidates to claim at once."""
        return self._share if self.way == "population" else 1

    @property
    def _share(self) -> int:
        return -(-self.settings.candidates_per_generation // self.settings.workers)

    def make(
        self, epochs: int | None = None, split: Literal["val", "test"] = "val", abort: AbortRule | None = None
    ) -> Evaluator:
        """Return an evaluator.

        Args:
            epochs: length of a training; by default the Trainer's ``max_epochs``.
            split: what scores.
            abort: when to give up on a training and try another seed; None for never.
        """
        attribute = self.settings.loss_attribute
        if self.way == "population":
            return PopulationEvaluator(self.task, self.monitor, attribute, epochs, split, abort)
        evaluator = TrainerEvaluator(self.task, self.monitor, attribute, epochs, split, abort)
        return evaluator if self.channel is None else DistributedEvaluator(evaluator, self.channel)
