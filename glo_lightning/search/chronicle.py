"""Announce each generation of a study once, when it is complete."""

import optuna

from glo_lightning.search.progress import Progress
from glo_lightning.search.records import GenerationSummary, read_candidates, summarize_generations
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.study import FINGERPRINT
from glo_lightning.training.evaluation import Monitor


class Chronicle:
    """Follows a study, whoever works on it.

    Args:
        study: of the search.
        settings: of the search.
        progress: where generations are announced.
    """

    def __init__(self, study: optuna.Study, settings: SearchSettings, progress: Progress) -> None:
        self.study = study
        self.settings = settings
        self.progress = progress
        self._next = 0

    def begin(self) -> None:
        """Announce the search, and how far it was before."""
        search = self.study.user_attrs[FINGERPRINT]
        self._next = len(self._complete())
        self.progress.start(
            f"searching {self.settings.family} losses for {search['num_classes']} classes by {self.settings.monitor}; "
            f"model with {search['num_weights']:,} weights",
            self._next,
        )

    def update(self) -> None:
        """Announce the generations that were completed since."""
        if not self.progress.is_visible:
            return
        for summary in self._complete()[self._next :]:
            self.progress.generation(summary)
            self._next += 1

    def _complete(self) -> list[GenerationSummary]:
        monitor = Monitor(self.settings.monitor, self.settings.mode, self.settings.worst_metric)
        summaries = summarize_generations(read_candidates(self.study), monitor)
        # A generation is also complete when the next one has begun: candidates that only failed are not listed.
        return [
            summary
            for summary in summaries
            if summary.size == self.settings.candidates_per_generation or summary is not summaries[-1]
        ]
