"""How long trainings take, measured before a search within a time begins."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import baseline_loss, in_units_of
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.training.run import Run

REPEATS = 4
"""Most repetitions of a short measurement, the shortest of which counts: the first also warms up."""

ENOUGH_SECONDS = 0.5
"""A measurement that took so long is not repeated."""


@dataclass(frozen=True)
class Pace:
    """Seconds of a candidate's training, with all workers at it.

    Args:
        search: in a generation of the search.
        verdict: in a generation of the rival, and in whatever else the verdict needs: where many train at once, one
            among fewer takes longer.
        spent: seconds of the whole search so far.
    """

    search: float
    verdict: float
    spent: float = 0.0

    @classmethod
    def measure(cls, evaluators: EvaluatorFactory) -> Self:
        """Train as many candidates as will train at once."""
        settings = evaluators.settings
        many = evaluators.share(settings.candidates_per_generation)
        few = evaluators.share(settings.rivals_per_generation)
        sigma = evaluators.tasks[0].targets.sigma
        usual = Run(in_units_of(baseline_loss(settings.outputs), sigma), settings.seed)
        search = seconds_of_a_training(evaluators, [usual] * many)
        # Losses that differ cost more than copies of one, where they train together.
        return cls(search, search if many == 1 else seconds_of_a_training(evaluators, rivals(settings, few, sigma)))

    def after(self, seconds: float, training: float, trained: int, rivals: float) -> Self:
        """Return the pace after so much more of a search.

        Args:
            seconds: of the search's generations.
            training: of these, the seconds of training, with all workers at it.
            trained: candidates of the search that were trained.
            rivals: generations of the rival that have as many candidates as one of the search.
        """
        if not trained:
            return replace(self, spent=self.spent + seconds)
        # What a generation takes beside its trainings, one of the rival takes, too, for fewer candidates.
        beside = rivals * max(0.0, seconds - training)
        slower = max(1.0, training / trained / self.search)
        verdict = slower * self.verdict + beside / trained
        return replace(self, search=seconds / trained, verdict=verdict, spent=self.spent + seconds)


def rivals(settings: SearchSettings, count: int, sigma: float | Sequence[float]) -> list[Run]:
    """Return trainings such as those that tune cross-entropy."""
    space = RivalSpace(settings.outputs, sigma=sigma)
    shares = [place / count for place in range(count)]
    return [
        Run(
            space.build(dict.fromkeys(space.distributions, share)),
            settings.seed,
            hyperparameters={LEARNING_RATE_FACTOR: 1.0 + share},
        )
        for share in shares
    ]


def seconds_of_a_training(evaluators: EvaluatorFactory, runs: Sequence[Run]) -> float:
    """Return what a training takes where these train together, and others like them in every other worker."""
    evaluator, taken = evaluators.make(), list[float]()
    while len(taken) < REPEATS and sum(taken) < ENOUGH_SECONDS:
        began = time.perf_counter()
        evaluator.evaluate(runs)
        taken.append(time.perf_counter() - began)
    return min(taken) / len(runs) / evaluators.settings.workers
