"""Choose what trains: one process, or several ranks as one."""

from typing import Literal

from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.distributed import Channel, DistributedEvaluator
from glo_lightning.training.evaluation import Evaluator, Monitor
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
        batch: candidates to claim at once.
    """

    batch = 1

    def __init__(self, settings: SearchSettings, task: Task, monitor: Monitor, channel: Channel | None = None) -> None:
        self.settings = settings
        self.task = task
        self.monitor = monitor
        self.channel = channel

    def make(
        self, epochs: int | None = None, split: Literal["val", "test"] = "val", abort: AbortRule | None = None
    ) -> Evaluator:
        """Return an evaluator.

        Args:
            epochs: length of a training; by default the Trainer's ``max_epochs``.
            split: what scores.
            abort: when to give up on a training and try another seed; None for never.
        """
        evaluator = TrainerEvaluator(self.task, self.monitor, self.settings.loss_attribute, epochs, split, abort)
        return evaluator if self.channel is None else DistributedEvaluator(evaluator, self.channel)
