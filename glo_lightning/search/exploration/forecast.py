"""How long a search will take, and how many generations fit into a time."""

import math
from dataclasses import dataclass
from typing import Self

from glo_lightning.errors import SettingsError
from glo_lightning.options import option
from glo_lightning.search.exploration.pace import Pace
from glo_lightning.search.progress import trainings_ahead
from glo_lightning.search.settings import SearchSettings
from glo_lightning.words import duration


@dataclass(frozen=True)
class Forecast:
    """What a search within a time has come to, and will take.

    Args:
        settings: of the search, with a time.
        length: of a full training, in trainings of candidates.
        pace: of the trainings, so far.
        generations: that are complete.
        trained: their candidates that were trained.
        next_trained: candidates of one more generation that will be trained.
    """

    settings: SearchSettings
    length: float
    pace: Pace
    generations: int
    trained: float
    next_trained: float

    @classmethod
    def at_first(cls, settings: SearchSettings, length: float, pace: Pace) -> Self:
        """Return the forecast before the first generation, where it may be that all candidates will be trained."""
        return cls(settings, length, pace, 0, 0.0, settings.candidates_per_generation)

    def seconds(self, generations: int) -> float:
        """Return what the whole search takes with so many generations, the verdict included."""
        more = (generations - self.generations) * self.next_trained
        verdict = trainings_ahead(self.settings, self.length, trained=self.trained + more)
        return self.pace.spent + self.pace.search * more + self.pace.verdict * verdict

    def fitting(self) -> int:
        """Return the generations that fit into the time, and at least those that are complete."""
        assert self.settings.budget_seconds is not None
        done = self.seconds(self.generations)
        left = max(0.0, self.settings.budget_seconds - done)
        fitting = self.generations + math.floor(left / (self.seconds(self.generations + 1) - done))
        return min(fitting, self.settings.generations or fitting)

    def require_one(self) -> None:
        """Refuse a time into which not even one generation and its verdict fit.

        Raises:
            SettingsError: if it is as short as that.
        """
        assert self.settings.budget_seconds is not None
        if self.fitting() < 1:
            raise SettingsError(
                f"{option('time_budget')} of {math.ceil(self.seconds(1))}s or more, for one generation and its verdict "
                f"at {1e3 * self.pace.search:.3g} ms for a training",
                duration(self.settings.budget_seconds),
                f"Allow more, or lower {option('population_size')}, {option('comparison_seeds')} or "
                f"{option('rival_budget')}.",
            )
