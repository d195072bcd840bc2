"""Screen expressions, train those that are worth it, until every generation of trees is complete."""

from collections.abc import Callable

import optuna
from optuna.trial import Trial, TrialState

from glo_lightning.losses import TreeLoss
from glo_lightning.search.explorer import describe
from glo_lightning.search.records import REPEATED, SCREENED
from glo_lightning.search.samplers import GeneticSampler
from glo_lightning.search.screening import Screening, Step
from glo_lightning.search.worker import Worker
from glo_lightning.theory import trainability
from glo_lightning.training.evaluation import Evaluator, Monitor, Run


class TreeExplorer(Worker):
    """One worker's part of GLO's first stage.

    Args:
        study: shared by all workers.
        sampler: the study's genetic sampler; its screen says who may train.
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
        evaluator: Evaluator,
        monitor: Monitor,
        seed: int,
        batch: int = 1,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(study, sampler, evaluator, monitor, batch, announce)
        self.trees = sampler
        self.seed = seed

    def prepare(self, trial: Trial) -> Run | None:
        """Note what theory says of a tree, and return its training if the screen lets it train."""
        generation, index = self.trees.slot_of(trial)
        trial.set_user_attr("generation", generation)
        trial.set_user_attr("index", index)
        screening = self.trees.screening(trial)
        if not screening.passed:
            self._prune(trial, screening)
            return None
        loss = TreeLoss(self.trees.offspring(trial).expression)
        trial.set_user_attr("formula", loss.formula("unicode"))
        trial.set_user_attr("theory", describe(trainability(loss, self.trees.screen.num_classes)))
        return Run(loss, self.seed)

    def _prune(self, trial: Trial, screening: Screening) -> None:
        status = REPEATED if screening.step is Step.UNSEEN else SCREENED
        reason = f"{screening.step}: {screening.reason}"
        trial.set_user_attr("training", {"status": status, "step": screening.step, "reason": reason})
        self.study.tell(trial, state=TrialState.PRUNED)
