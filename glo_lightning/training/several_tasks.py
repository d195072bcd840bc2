"""One metric for a loss that is trained on several tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning.pytorch import seed_everything

from glo_lightning.errors import SettingsError
from glo_lightning.losses import CrossEntropyLoss, Outputs, for_outputs
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.measured import measured
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.monitored_trainer import build_trainer
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.trainer import TrainerEvaluator

SEVERITY = (Status.COMPLETED, Status.PRUNED, Status.ABORTED, Status.DIVERGED, Status.FAILED)
"""How trainings end, the worst last."""


@dataclass(frozen=True)
class Reference:
    """What gives the metrics of different tasks a meaning that they share.

    Args:
        untrained: the metric of a freshly built model.
        cross_entropy: the metric after training with cross-entropy, the better one.
    """

    untrained: float
    cross_entropy: float

    def relative(self, metric: float) -> float:
        r"""Return the share of cross-entropy's progress that a training made.

        .. math:: r = \max\left(0, \frac{m - m_0}{m_{CE} - m_0}\right)

        It is 0 for a training that learned nothing, 1 for one as good as cross-entropy's, and more for a better one,
        whether a higher or a lower metric is better.

        Example:
            >>> Reference(untrained=0.25, cross_entropy=0.75).relative(0.875)
            1.25
        """
        return max(0.0, (metric - self.untrained) / (self.cross_entropy - self.untrained))


def measure_reference(
    task: Task, monitor: Monitor, attribute: str = "loss_fn", seed: int = 0, outputs: Outputs = "softmax"
) -> Reference:
    """Validate a model before and after its training with cross-entropy.

    Args:
        task: the model, the data and the Trainer.
        monitor: the metric.
        attribute: where the model keeps its training loss.
        seed: of the training.
        outputs: what the model's logits mean.

    Raises:
        SettingsError: if cross-entropy learns nothing.
    """
    with quiet_lightning():
        seed_everything(seed, workers=True, verbose=False)
        trainer = build_trainer(task, monitor, [], {})
        with keyboard_interrupts(trainer):
            metrics = measured(trainer, trainer.validate(task.build_model(), datamodule=task.datamodule, verbose=False))
    untrained = metrics[monitor.name]
    loss = for_outputs(CrossEntropyLoss(), outputs)
    (evaluation,) = TrainerEvaluator(task, monitor, attribute).evaluate([Run(loss, seed)])
    if not monitor.is_better(evaluation.metric, than=untrained):
        raise SettingsError(
            f"cross-entropy to reach a better {monitor.name} than an untrained model, {untrained:.4g}",
            f"{evaluation.metric:.4g}" + (f" ({evaluation.reason})" if evaluation.reason else ""),
            "Train for more epochs, or with another learning rate.",
        )
    return Reference(untrained, evaluation.metric)


class SeveralTasksEvaluator:
    """Trains every run on every task; its metric is the mean of what it achieved relative to cross-entropy.

    Args:
        evaluators: of the tasks, by their names.
        references: of the tasks, by the same names.
        monitor: the metric of the tasks.
    """

    def __init__(
        self, evaluators: Mapping[str, Evaluator], references: Mapping[str, Reference], monitor: Monitor
    ) -> None:
        self.evaluators = evaluators
        self.references = references
        self.monitor = monitor

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run on every task and return one evaluation for each, in the order given."""
        by_task = [evaluator.evaluate(runs) for evaluator in self.evaluators.values()]
        return [self._combine(dict(zip(self.evaluators, each, strict=True))) for each in zip(*by_task, strict=True)]

    def _combine(self, parts: Mapping[str, Evaluation]) -> Evaluation:
        return Evaluation(
            metric=sum(self.references[name].relative(part.metric) for name, part in parts.items()) / len(parts),
            status=max((part.status for part in parts.values()), key=SEVERITY.index),
            reason="; ".join(f"{name}: {part.reason}" for name, part in parts.items() if part.reason),
            seconds=sum(part.seconds for part in parts.values()),
            seed=next(iter(parts.values())).seed,
            epoch=min(part.epoch for part in parts.values()),
            metrics={name: part.metric for name, part in parts.items() if part.status is not Status.DIVERGED},
        )
