"""Claim candidates, train them, tell their scores, until every generation is complete."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import optuna
from optuna.trial import Trial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.records import VIOLATED
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.space import LossSpace
from glo_lightning.theory import Trainability, trainability
from glo_lightning.theory.trainability import Invariant
from glo_lightning.training.evaluation import Evaluation, Evaluator, Monitor, Run, Status

MAX_FAILURES_IN_A_ROW = 5
"""Crashed trainings after which the fault is the model's, not the candidates'."""


class Explorer:
    """One worker's part of a search.

    Args:
        study: shared by all workers.
        sampler: the study's sampler.
        space: turns a trial into a loss.
        evaluator: trains candidates.
        monitor: the metric, which becomes the trial's value.
        num_classes: where the invariant is evaluated: h = 1 / num_classes.
        invariant: which candidates may train.
        seed: the training seed, the same for all candidates so that they differ in their loss alone.
        batch: candidates claimed at once.
        announce: called after every batch of candidates.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: GenerationalSampler[Any],
        space: LossSpace,
        evaluator: Evaluator,
        monitor: Monitor,
        num_classes: int,
        invariant: Literal["none"] | Invariant,
        seed: int,
        batch: int = 1,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self.study = study
        self.sampler = sampler
        self.space = space
        self.evaluator = evaluator
        self.monitor = monitor
        self.num_classes = num_classes
        self.invariant = invariant
        self.seed = seed
        self.batch = batch
        self.announce = announce
        self._failures = 0

    def run(self) -> None:
        """Work until no candidate is left to claim.

        Raises:
            StudyError: if one training after another crashes.
            KeyboardInterrupt: as it came; the claimed candidates are given back first.
        """
        while trials := self.sampler.claim(self.study, self.batch):
            self._settle(trials)
            self.announce()

    def _settle(self, trials: Sequence[Trial]) -> None:
        runs: dict[int, Run] = {}
        for trial in trials:
            loss = self.space.build(trial.params)
            verdict = trainability(loss, self.num_classes)
            generation, index = self.sampler.slot_of(trial)
            trial.set_user_attr("generation", generation)
            trial.set_user_attr("index", index)
            trial.set_user_attr("formula", loss.formula("unicode"))
            trial.set_user_attr("theory", describe(verdict))
            if self.invariant == "none" or getattr(verdict, self.invariant) is not False:
                runs[trial.number] = Run(loss, self.seed)
            else:
                self._prune(trial, self.invariant, verdict)
        open_trials = [trial for trial in trials if trial.number in runs]
        try:
            evaluations = self.evaluator.evaluate(list(runs.values()))
        except BaseException as error:
            for trial in open_trials:
                self.sampler.release(self.study, trial, reason=type(error).__name__)
            raise
        for trial, evaluation in zip(open_trials, evaluations, strict=True):
            self._tell(trial, evaluation)

    def _prune(self, trial: Trial, invariant: Invariant, verdict: Trainability) -> None:
        trial.set_user_attr("training", {"status": VIOLATED, "reason": verdict.reason})
        trial.set_constraint("invariant", verdict.violation(invariant))
        self.study.tell(trial, state=TrialState.PRUNED)

    def _tell(self, trial: Trial, evaluation: Evaluation) -> None:
        trial.set_user_attr(
            "training",
            {
                "status": evaluation.status,
                "reason": evaluation.reason,
                "seconds": round(evaluation.seconds, 4),
                "seed": evaluation.seed,
            },
        )
        if evaluation.status is Status.FAILED:
            self._failures += 1
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            if self._failures == MAX_FAILURES_IN_A_ROW:
                raise StudyError(
                    "candidates to train",
                    f"{self._failures} crashes in a row, the last: {evaluation.reason}",
                    "Train the model once with its own loss; the finished candidates are kept.",
                )
            return
        self._failures = 0
        if evaluation.status is Status.PRUNED:
            self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self.study.tell(trial, self.monitor.to_metric(evaluation.score), skip_if_finished=True)


def describe(verdict: Trainability) -> dict[str, float | bool | None]:
    """Return what theory says of a candidate, as the trial's attributes keep it: None for what is undefined."""
    numbers = {"drive": verdict.drive, "curvature": verdict.curvature, "ratio": verdict.ratio}
    return {
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        "paper": verdict.paper,
        "exact": verdict.exact,
        "stable": verdict.stable,
    }
