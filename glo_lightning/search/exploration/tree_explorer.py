"""Screen expressions, train those that are worth it, until every generation of trees is complete."""

from collections.abc import Callable

import optuna
from optuna.trial import Trial, TrialState

from glo_lightning.search.exploration.explorer import Explorer
from glo_lightning.search.exploration.screening import Screening, Step
from glo_lightning.search.records.candidates import REPEATED, SCREENED
from glo_lightning.search.samplers import GeneticSampler
from glo_lightning.search.spaces.polynomial import LossSpace
from glo_lightning.training.run import Evaluator, Monitor, Run


class TreeExplorer(Explorer):
    """One worker's part of GLO's first stage.

    Args:
        study: shared by all workers.
        sampler: the study's genetic sampler; its screen says who may train.
        space: turns an expression into a loss.
        evaluator: trains candidates.
        monitor: the metric, which becomes the trial's value.
        seed: the training seed, the same for all candidates so that they differ in their loss alone.
        batch: candidates claimed at once.
        announce: called after every batch of candidates.
    """

    def __init__(
        self,
        study: optuna.Study,
        sampler: GeneticSampler,
        space: LossSpace,
        evaluator: Evaluator,
        monitor: Monitor,
        seed: int,
        batch: int = 1,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        num_classes = sampler.screen.num_classes
        # The screen stands in for the invariant.
        super().__init__(study, sampler, space, evaluator, monitor, (num_classes,), "none", seed, batch, announce)
        self.trees = sampler

    def prepare(self, trial: Trial) -> Run | None:
        """Return the training of a tree, noting what theory says of it, if the screen lets it train."""
        screening = self.trees.screening(trial)
        if screening.passed:
            return super().prepare(trial)
        self._stop(trial, screening)
        return None

    def _stop(self, trial: Trial, screening: Screening) -> None:
        status = REPEATED if screening.step is Step.UNSEEN else SCREENED
        reason = f"{screening.step}: {screening.reason}"
        trial.set_user_attr("training", {"status": status, "step": screening.step, "reason": reason})
        self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
