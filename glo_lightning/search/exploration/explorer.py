"""Judge candidates by theory, train those that may train, until every generation is complete."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import NopPruner
from optuna.trial import Trial

from glo_lightning.losses import HeadsLoss, Loss
from glo_lightning.search.records.candidates import VIOLATED, proposal
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.trial_worker import TrialWorker
from glo_lightning.theory import Trainability, trainability
from glo_lightning.theory.descent import FirstBatch, descends
from glo_lightning.theory.trainability import Invariant
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluator, Run


class Explorer(TrialWorker):
    """One worker's part of a search.

    Args:
        study: shared by all workers.
        sampler: the study's sampler.
        space: turns a trial into a loss.
        evaluator: trains candidates.
        monitor: the metric, which becomes the trial's value.
        starts: where the invariant is evaluated: numbers of classes, h = 1 / C, or what an untrained model predicts.
        invariant: which candidates may train.
        seed: the training seed, the same for all candidates so that they differ in their loss alone.
        batch: candidates claimed at once.
        announce: called after every batch of candidates.
        hyperparameters: turns a trial into what else a candidate is, if anything.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: GenerationalSampler[Any],
        space: LossSpace,
        evaluator: Evaluator,
        monitor: Monitor,
        starts: Sequence[int | FirstBatch],
        invariant: Literal["none"] | Invariant,
        seed: int,
        batch: int = 1,
        announce: Callable[[], None] = lambda: None,
        hyperparameters: HyperparameterSpace | None = None,
    ) -> None:
        super().__init__(study, sampler, evaluator, monitor, batch, announce)
        self.space = space
        self.starts = starts
        self.invariant = invariant
        self.seed = seed
        self.hyperparameters = hyperparameters or HyperparameterSpace()

    def prepare(self, trial: Trial) -> Run | None:
        """Note what theory says of a candidate, and return its training if the invariant lets it train."""
        parameters = proposal(trial)
        loss, hyperparameters = self.space.build(parameters), self.hyperparameters.build(parameters)
        verdict = least_favourable(loss, self.starts, self.invariant)
        self.note(trial, theory=_theory(verdict))
        if hyperparameters:
            self.note(trial, hyperparameters=hyperparameters)
        if self.invariant != "none" and getattr(verdict, self.invariant) is False:
            violation = {"invariant": verdict.violation(self.invariant)}
            self.stop(trial, violation, status=VIOLATED, reason=verdict.reason)
            return None
        report = None if isinstance(self.study.pruner, NopPruner) else self._reporter(trial)
        return Run(loss, self.seed, report, hyperparameters)

    def _reporter(self, trial: Trial) -> Callable[[int, float], bool]:
        def report(epoch: int, metric: float) -> bool:
            try:
                trial.report(metric, epoch)
            except UpdateFinishedTrialError:
                return True  # this worker was taken for dead, and another trains the candidate
            return trial.should_prune()

        return report


def least_favourable(
    loss: Loss, starts: Sequence[int | FirstBatch], invariant: Literal["none"] | Invariant
) -> Trainability:
    """Return what theory says of a loss where it is least in its favour: in which head, at which start.

    Args:
        loss: a candidate; where nothing counts against it, its main head and the first start decide.
        starts: numbers of classes, or what an untrained model predicts; one or more.
        invariant: that decides.
    """
    losses = loss.losses if isinstance(loss, HeadsLoss) else [loss]
    verdicts = [
        trainability(own, each) if isinstance(each, int) else descends(own, each) for own in losses for each in starts
    ]
    return max(verdicts, key=lambda verdict: 0.0 if invariant == "none" else verdict.violation(invariant))


def _theory(verdict: Trainability) -> dict[str, float | bool | None]:
    """Return what theory says of a candidate, as the trial's attributes keep it: None for what is undefined."""
    numbers = {"drive": verdict.drive, "curvature": verdict.curvature, "ratio": verdict.ratio}
    return {
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        "paper": verdict.paper,
        "exact": verdict.exact,
        "stable": verdict.stable,
    }
