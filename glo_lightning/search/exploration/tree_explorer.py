"""Screen expressions, train those that are worth it, until every generation of trees is complete."""

from optuna.trial import Trial

from glo_lightning.search.exploration.explorer import Explorer
from glo_lightning.search.exploration.screening import Step
from glo_lightning.search.records.candidates import REPEATED, SCREENED
from glo_lightning.search.samplers import GeneticSampler
from glo_lightning.search.samplers.screens import Screening
from glo_lightning.training.run import Run


class TreeExplorer(Explorer):
    """One worker's part of GLO's first stage: what the genetic sampler's screen stops does not train."""

    sampler: GeneticSampler

    def prepare(self, trial: Trial) -> Run | None:
        """Return the training of a tree, noting what theory says of it, if the screen lets it train."""
        screening = self.sampler.screening(trial)
        if screening.passed:
            return super().prepare(trial)
        self._stop(trial, screening)
        return None

    def _stop(self, trial: Trial, screening: Screening) -> None:
        status = REPEATED if screening.step == Step.UNSEEN else SCREENED
        reason = f"{screening.step}: {screening.reason}"
        self.stop(trial, status=status, step=str(screening.step), reason=reason)
