"""Train candidates one after another with a Lightning Trainer."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.callbacks.learning_rate import LearningRateFactor
from glo_lightning.callbacks.report import MetricReport
from glo_lightning.callbacks.validated_weights import ValidatedWeights
from glo_lightning.errors import GloError, SettingsError
from glo_lightning.hyperparameters import learning_rate_factor
from glo_lightning.training.abort import AbortRule, ValidationFollower, attempt_seed
from glo_lightning.training.gpu_labels import gpu_labels_explained
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.monitored_trainer import build_trainer
from glo_lightning.training.run import Evaluation, Run, Status
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.test_split import score_on_test
from glo_lightning.training.traces import ordered_by


class TrainerEvaluator:
    """Builds, trains and scores a fresh model per run, through every feature the user's Trainer has.

    Args:
        task: the model, the data and the Trainer.
        monitor: the metric that decides.
        attribute: where the model keeps its training loss.
        epochs: overrides the Trainer's ``max_epochs``.
        split: ``"val"`` scores by the last validation, or one more if the weights have changed since; ``"test"`` opens
            the test split after training.
        abort: when to give up on a training and try another seed; None for never.
        callbacks: further ones of every training.
    """

    def __init__(
        self,
        task: Task,
        monitor: Monitor,
        attribute: str = "loss_fn",
        epochs: int | None = None,
        split: Literal["val", "test"] = "val",
        abort: AbortRule | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.task = task
        self.monitor = monitor
        self.attribute = attribute
        self.epochs = epochs
        self.split = split
        self.abort = abort
        self.callbacks = callbacks

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run and return its evaluation, in the order given."""
        return [self._evaluate(run) for run in runs]

    def _evaluate(self, run: Run) -> Evaluation:
        started = time.perf_counter()
        attempts = 0 if self.abort is None else self.abort.attempts
        for attempt in range(1 + attempts):
            abort = None if self.abort is None else self.abort.after(attempt)
            evaluation = self._attempt(replace(run, seed=attempt_seed(run.seed, attempt)), abort)
            if evaluation.status is not Status.ABORTED:
                break
        return replace(evaluation, seconds=time.perf_counter() - started)

    def _attempt(self, run: Run, abort: AbortRule | None) -> Evaluation:
        try:
            with quiet_lightning(), ordered_by(run.seed, self.task.datamodule), gpu_labels_explained():
                return self._train(run, abort)
        except GloError:
            raise
        except Exception as error:
            # A crash, out of memory above all, is this candidate's own; the next one starts afresh.
            torch.cuda.empty_cache()
            return Evaluation(
                self.monitor.worst_metric, Status.FAILED, f"{type(error).__name__}: {error}", seed=run.seed
            )

    def _train(self, run: Run, abort: AbortRule | None) -> Evaluation:
        follower = ValidationFollower(self.monitor, run.report, abort)
        divergence = StopOnDivergence()
        # Lightning validates once more when a training stops because it diverged; that metric means nothing.
        report = MetricReport(
            self.monitor.name, lambda epoch, metric: not divergence.reason and follower.see(epoch, metric)
        )
        validated = ValidatedWeights()
        callbacks: list[Callback] = [divergence, report, validated]
        if run.loss is not None:
            callbacks.insert(0, LossInjection(run.loss, self.attribute))
        factor, hyperparameters = learning_rate_factor(run.hyperparameters)
        if factor != 1.0:
            callbacks.append(LearningRateFactor(factor))
        callbacks += self.callbacks
        seed_everything(run.seed, workers=True, verbose=False)
        model = self.task.build_model(hyperparameters)
        overrides = {} if self.epochs is None else {"max_epochs": self.epochs}
        trainer = build_trainer(self.task, self.monitor, callbacks, overrides)
        with keyboard_interrupts(trainer):
            trainer.fit(model, datamodule=self.task.datamodule)
            metric, curve = report.metric, follower.curve
            is_over = divergence.reason or report.stopped
            if metric is not None and not is_over and not validated.are(model):
                trainer.validate(model, datamodule=self.task.datamodule, verbose=False)
                metric = float(trainer.callback_metrics[self.monitor.name])
                curve = [*curve, metric] if math.isfinite(metric) else curve
        evaluation = self._judge(trainer, model, divergence, follower, metric)
        evaluation = replace(evaluation, seed=run.seed, epoch=follower.epoch, curve=tuple(curve))
        # Rank 0 alone reports and watches; with its word on all ranks they stay in step.
        return trainer.strategy.broadcast(evaluation, src=0)

    def _judge(
        self,
        trainer: Trainer,
        model: LightningModule,
        divergence: StopOnDivergence,
        follower: ValidationFollower,
        metric: float | None,
    ) -> Evaluation:
        if divergence.reason:
            return Evaluation(self.monitor.worst_metric, Status.DIVERGED, divergence.reason)
        if self.split == "test":
            metric = score_on_test(trainer, model, self.task, self.monitor.name)
        if metric is None:
            raise SettingsError("a validation while a model trains", "none", "Lower the Trainer's val_check_interval.")
        if not math.isfinite(metric):
            reason = f"{self.monitor.name} was {metric}"
            return Evaluation(self.monitor.worst_metric, Status.DIVERGED, reason)
        return Evaluation(metric, follower.status, follower.reason)
