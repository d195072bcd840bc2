"""Train all candidates of a generation, or all seeds of a comparison, in one loop."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.hyperparameters import learning_rate_factor
from glo_lightning.losses import Loss, baseline_loss
from glo_lightning.training.abort import AbortRule, attempt_seed
from glo_lightning.training.gpu_labels import gpu_labels_explained
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population.plan import Plan, make_plan
from glo_lightning.training.population.recipe import refuse
from glo_lightning.training.population.training import Population
from glo_lightning.training.run import Evaluation, Run, Split, Status
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.trainer import TrainerEvaluator


class PopulationEvaluator:
    """Trains the models of many runs together, with the scores that a Trainer would give each of them.

    One loop computes all models on stacked weights, so that a small network costs little more for twenty losses than
    for one. With equal seeds and in float64 the scores are those of the Trainer evaluator; in float32 sums are
    rounded in another order. Dropout draws other numbers than the Trainer's; those of a run depend on its seed alone.
    Runs with the model's own loss, which may be anything, are left to the Trainer.

    Args:
        task: a Classifier or a Regressor, a data module that holds tensors, and a Trainer on one device;
            :meth:`obstacle` tells.
        monitor: the metric that decides, one that the model logs.
        attribute: where the model keeps its training loss.
        epochs: overrides the Trainer's ``max_epochs``.
        split: ``"val"`` scores by the last validation; ``"test"`` opens the test split.
        abort: when to give up on a training and try another seed; None for never.

    Example:
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
        >>> from glo_lightning.models import Classifier, mlp
        >>> from glo_lightning.training.task import python_task
        >>> task = python_task(lambda: Classifier(mlp()), DigitsDataModule(), {"max_epochs": 1, "accelerator": "cpu"})
        >>> evaluator = PopulationEvaluator(task, Monitor())
        >>> [e.status.value for e in evaluator.evaluate([Run(CrossEntropyLoss(), 0), Run(MeanSquaredErrorLoss(), 1)])]
        ['completed', 'completed']
    """

    def __init__(
        self,
        task: Task,
        monitor: Monitor,
        attribute: str = "loss_fn",
        epochs: int | None = None,
        split: Split = "val",
        abort: AbortRule | None = None,
    ) -> None:
        self.task = task
        self.monitor = monitor
        self.attribute = attribute
        self.epochs = epochs
        self.split = split
        self.abort = abort

    def obstacle(self) -> str:
        """Return in one line why this task cannot be trained as a population, or nothing if it can."""
        try:
            self._plan  # noqa: B018
        except SettingsError as error:
            return error.got
        except Exception as error:  # whatever it is, the Trainer may get by
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return ""

    @property
    def baseline(self) -> Loss:
        """What everybody trains such models with."""
        return baseline_loss(self._plan.kind.outputs)

    @property
    def device(self) -> torch.device:
        """Where the population trains."""
        return self._plan.recipe.device

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run and return its evaluation, in the order given.

        Raises:
            SettingsError: if the task cannot be trained as a population, or the runs differ in hyperparameters.
        """
        if any(learning_rate_factor(run.hyperparameters)[1] for run in runs):
            refuse("the candidates differ in their hyperparameters")
        arguments = (self.task, self.monitor, self.attribute, self.epochs, self.split, self.abort)
        own = iter(TrainerEvaluator(*arguments).evaluate([run for run in runs if run.loss is None]))
        together = iter(self._evaluate_together([run for run in runs if run.loss is not None]))
        return [next(own if run.loss is None else together) for run in runs]

    def _evaluate_together(self, runs: Sequence[Run]) -> list[Evaluation]:
        evaluations = self._train_all(runs, self.abort)
        for attempt in range(1, 1 + (0 if self.abort is None else self.abort.attempts)):
            assert self.abort is not None
            hopeless = [place for place, each in enumerate(evaluations) if each.status is Status.ABORTED]
            again = [replace(runs[place], seed=attempt_seed(runs[place].seed, attempt)) for place in hopeless]
            for place, evaluation in zip(hopeless, self._train_all(again, self.abort.after(attempt)), strict=True):
                evaluations[place] = replace(evaluation, seconds=evaluations[place].seconds + evaluation.seconds)
        return evaluations

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self.task, self.monitor, self.attribute, self.epochs, self.split)

    def _train_all(self, runs: Sequence[Run], abort: AbortRule | None) -> list[Evaluation]:
        size = self._plan.capacity
        evaluations: list[Evaluation] = []
        for start in range(0, len(runs), size):
            evaluations += self._train(runs[start : start + size], abort)
        return evaluations

    def _train(self, runs: Sequence[Run], abort: AbortRule | None) -> list[Evaluation]:
        try:
            with quiet_lightning(), gpu_labels_explained():
                return Population(self._plan, runs, abort).train()
        except GloError:
            raise
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        # A crash, out of memory above all, is told apart by halves: a run that crashes by itself has failed.
        torch.cuda.empty_cache()
        if len(runs) == 1:
            return [Evaluation(self.monitor.worst_metric, Status.FAILED, failure, seed=runs[0].seed)]
        half = len(runs) // 2
        return self._train(runs[:half], abort) + self._train(runs[half:], abort)
