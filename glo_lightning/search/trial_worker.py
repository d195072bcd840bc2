"""The loop of every worker: claim, train, tell, until nothing is left."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.samplers.optuna_adapter import Told, id_of_trial, last_report
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
        self._notes: dict[int, dict[str, Any]] = {}
        self._told: list[Told] = []

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
                self._flush()
                raise
            for trial, evaluation in zip(open_trials, evaluations, strict=True):
                self.tell(trial, evaluation)
            self._flush()
        except BaseException as error:
            self._told.clear()
            with suppress(StudyError):  # if it is the storage that fails, silence will tell
                self.sampler.release(self.study, trials, reason=type(error).__name__)
            raise
        finally:
            self._notes.clear()
        self._count_failures(evaluations)

    def _prepare(self, trial: Trial) -> Run | None:
        try:
            return self.prepare(trial)
        except UpdateFinishedTrialError:
            return None  # this worker was taken for dead, and another has the candidate

    def note(self, trial: Trial, **attributes: Any) -> None:
        """Keep user attributes with a trial; they are written when it is told."""
        self._notes.setdefault(trial.number, {}).update(attributes)

    def stop(self, trial: Trial, constraints: Mapping[str, float] | None = None, **training: str) -> None:
        """Tell the study, together with the rest of its batch, that a trial is not worth a training.

        Args:
            trial: not to be trained.
            constraints: how much it violates what.
            training: what to keep of it: status, reason, step.
        """
        self.note(trial, training=training)
        self._tell(trial, TrialState.PRUNED, None, constraints)

    def tell(self, trial: Trial, evaluation: Evaluation) -> None:
        """Tell the study what came of a trial's training, together with the rest of its batch."""
        self.note(trial, **self.attributes(evaluation))
        if evaluation.status is Status.FAILED:
            self._tell(trial, TrialState.FAIL)
        elif evaluation.status is Status.PRUNED:
            last = last_report(trial)
            self._tell(trial, TrialState.PRUNED, None if last is None or math.isnan(last) else last)
        elif math.isnan(evaluation.metric):  # nothing that samplers could rank
            self._tell(trial, TrialState.FAIL)
        else:
            self._tell(trial, TrialState.COMPLETE, float(evaluation.metric))

    def attributes(self, evaluation: Evaluation) -> dict[str, Any]:
        """Return what is kept with a trial of how its training went."""
        training = {
            "status": evaluation.status,
            "reason": evaluation.reason,
            "seconds": round(evaluation.seconds, 4),
            "seed": evaluation.seed,
            "epoch": evaluation.epoch,
        }
        diverged = {DIVERGED: True} if evaluation.status is Status.DIVERGED else {}
        metrics = {"metrics": dict(evaluation.metrics)} if evaluation.metrics else {}
        return {"training": training, **diverged, **metrics}

    def _tell(
        self,
        trial: Trial,
        state: TrialState,
        value: float | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        notes = self._notes.pop(trial.number, {})
        self._told.append(Told(id_of_trial(trial), state, value, notes, dict(constraints or {})))

    def _flush(self) -> None:
        # A worker that was silent for too long comes late: its trial has ended, and somebody else's verdict stands.
        self.sampler.tell(self.study, self._told)
        self._told.clear()

    def _count_failures(self, evaluations: Sequence[Evaluation]) -> None:
        for evaluation in evaluations:
            if evaluation.status is Status.FAILED:
                self._count_failure(evaluation.reason)
            else:
                self._failures = 0

    def _count_failure(self, reason: str) -> None:
        self._failures += 1
        if self._failures == MAX_FAILURES_IN_A_ROW:
            raise StudyError(
                "candidates to train",
                f"{self._failures} crashes in a row, the last: {reason}",
                "Train the model once with its own loss; the finished candidates are kept.",
            )
