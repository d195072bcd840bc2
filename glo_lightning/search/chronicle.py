"""Announce each generation of a study once, when it is complete."""

import optuna

from glo_lightning.search.probed_task import search_monitor
from glo_lightning.search.progress import Progress
from glo_lightning.search.records import GenerationSummary, read_candidates, summarize_generations
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.study import FINGERPRINT
from glo_lightning.training.evaluation import Monitor


class Chronicle:
    """Follows a study, whoever works on it.

    Args:
        study: what is followed.
        monitor: the metric.
        population_size: candidates in a complete generation.
        generations: how many will run.
        title: what is searched.
        progress: where generations are announced.
    """

    def __init__(
        self,
        study: optuna.Study,
        monitor: Monitor,
        population_size: int,
        generations: int,
        title: str,
        progress: Progress,
    ) -> None:
        self.study = study
        self.monitor = monitor
        self.population_size = population_size
        self.generations = generations
        self.title = title
        self.progress = progress
        self._next = 0

    @classmethod
    def of_search(cls, study: optuna.Study, settings: SearchSettings, progress: Progress) -> "Chronicle":
        """Follow the main study of a search."""
        search = study.user_attrs[FINGERPRINT]
        subject = (
            f"the tasks {', '.join(settings.tasks)} by {settings.monitor}"
            if settings.tasks
            else f"{search['num_classes']} classes by {settings.monitor}; model with {search['num_weights']:,} weights"
        )
        return cls(
            study,
            search_monitor(settings),
            settings.candidates_per_generation,
            settings.generations,
            f"searching {settings.family} losses for {subject}",
            progress,
        )

    def begin(self) -> None:
        """Announce the search, and how far it was before."""
        self._next = len(self._complete())
        self.progress.start(self.title, self.generations, self._next)

    def update(self) -> None:
        """Announce the generations that were completed since."""
        if not self.progress.is_visible:
            return
        for summary in self._complete()[self._next :]:
            self.progress.generation(summary)
            self._next += 1

    def _complete(self) -> list[GenerationSummary]:
        summaries = summarize_generations(read_candidates(self.study), self.monitor)
        # A generation is also complete when the next one has begun: candidates that only failed are not listed.
        return [
            summary for summary in summaries if summary.size == self.population_size or summary is not summaries[-1]
        ]
