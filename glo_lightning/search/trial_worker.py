"""The loop of every worker: claim, train, tell, until nothing is left."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.samplers.ranking import DIVERGED
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Evaluator, EvaluatorLostError, Run, Status

MAX_FAILURES_IN_A_ROW = 10
"""Crashed trainings after which the fault is the model's, not the candidates'."""


class TrialWorker(ABC):
    """One process's part of the work in a study.

    Args:
        study: shared by all workers.
        sampler: the study's sampler.
        evaluator: trains.
        monitor: the metric, which becomes the trial's value.
        batch: trials claimed at once.
        announce: called after every batch.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: GenerationalSampler[Any],
        evaluator: Evaluator,
        monitor: Monitor,
        batch: int = 1,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self.study = study
        self.sampler = sampler
        self.evaluator = evaluator
        self.monitor = monitor
        self.batch = batch
        self.announce = announce
        self._failures = 0

    @abstractmethod
    def prepare(self, trial: Trial) -> Run | None:
        """Return the training a trial asks for; ``None`` if it has been told without one."""

    def run(self) -> None:
        """Work until nothing is left to claim.

        Raises:
            StudyError: if one training after another crashes.
            KeyboardInterrupt: as it came; the claimed trials are given back first.
        """
        while trials := self.sampler.claim(self.study, self.batch):
            self._settle(trials)
            self.announce()

    def _settle(self, trials: Sequence[Trial]) -> None:
        try:
            runs = {trial.number: self._prepare(trial) for trial in trials}
            open_trials = [trial for trial in trials if runs[trial.number] is not None]
            try:
                own = [run for run in runs.values() if run is not None]
                evaluations = self.evaluator.evaluate(own) if own else []
            except EvaluatorLostError as error:
                for trial in open_trials:
                    self.tell(trial, Evaluation(self.monitor.worst_metric, Status.FAILED, str(error)))
                raise
            for trial, evaluation in zip(open_trials, evaluations, strict=True):
                self.tell(trial, evaluation)
        except BaseException as error:
            with suppress(StudyError):  # if it is the storage that fails, silence will tell
                self.sampler.release(self.study, trials, reason=type(error).__name__)
            raise

    def _prepare(self, trial: Trial) -> Run | None:
        try:
            return self.prepare(trial)
        except UpdateFinishedTrialError:
            return None  # this worker was taken for dead, and another has the candidate

    def tell(self, trial: Trial, evaluation: Evaluation) -> None:
        """Tell the study what came of a trial's training."""
        # A worker that was silent for too long comes late: its trial has ended, and somebody else's verdict stands.
        with suppress(UpdateFinishedTrialError):
            self.note(trial, evaluation)
        if evaluation.status is Status.FAILED:
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            self._count_failure(evaluation.reason)
            return
        self._failures = 0
        if evaluation.status is Status.PRUNED:
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self.study.tell(trial, evaluation.metric, skip_if_finished=True)

    def note(self, trial: Trial, evaluation: Evaluation) -> None:
        """Keep with a trial how its training went."""
        trial.set_user_attr(
            "training",
            {
                "status": evaluation.status,
                "reason": evaluation.reason,
                "seconds": round(evaluation.seconds, 4),
                "seed": evaluation.seed,
                "epoch": evaluation.epoch,
            },
        )
        if evaluation.status is Status.DIVERGED:
            trial.set_user_attr(DIVERGED, True)
        if evaluation.metrics:
            trial.set_user_attr("metrics", dict(evaluation.metrics))

    def _count_failure(self, reason: str) -> None:
        self._failures += 1
        if self._failures == MAX_FAILURES_IN_A_ROW:
            raise StudyError(
                "candidates to train",
                f"{self._failures} crashes in a row, the last: {reason}",
                "Train the model once with its own loss; the finished candidates are kept.",
            )
