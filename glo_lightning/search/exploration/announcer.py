"""Announce each generation of a study once, when it is complete."""

import time
from collections.abc import Callable, Sequence

import optuna

from glo_lightning.search.exploration.start import STARTED_FROM
from glo_lightning.search.monitors import search_monitor
from glo_lightning.search.progress import Progress, Standing, trainings_ahead
from glo_lightning.search.records.candidates import (
    TELL_APART,
    TRAINED,
    BaselineScore,
    CandidateRecord,
    GenerationSummary,
    are_alike,
    baseline_of,
    complete_generations,
    read_candidates,
    summarize_generations,
)
from glo_lightning.search.records.history import sum_fates
from glo_lightning.search.records.plan import planned_generations
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.study import fingerprint_of
from glo_lightning.search.tasks import predicted
from glo_lightning.training.monitor import Monitor
from glo_lightning.words import duration

SHARE = 0.05
"""Share of a search's time that may go into looking at how it stands; looks take longer as a study grows."""


class GenerationAnnouncer:
    """Announces the generations of a study as they are completed, whoever works on it.

    Args:
        study: what is followed.
        monitor: the metric.
        population_size: candidates in a complete generation.
        generations: how many will run.
        title: what is searched, and what its losses do without, in lines.
        progress: where generations are announced.
        ahead: what comes after them, as a number of trainings of candidates that would take as long.
        outlook: returns these two numbers anew, where they may change.
    """

    def __init__(
        self,
        study: optuna.Study,
        monitor: Monitor,
        population_size: int,
        generations: int,
        title: str,
        progress: Progress,
        ahead: float = 0.0,
        outlook: Callable[[], tuple[int, float]] | None = None,
    ) -> None:
        self.study = study
        self.monitor = monitor
        self.population_size = population_size
        self.generations = generations
        self.title = title
        self.progress = progress
        self.ahead = ahead
        self.outlook = outlook
        self._baseline: BaselineScore | None = None
        self._told = 0
        self._look_after = 0.0
        self._listed: set[tuple[int, int]] = set()

    @classmethod
    def of_search(
        cls, study: optuna.Study, settings: SearchSettings, progress: Progress, length: float
    ) -> "GenerationAnnouncer":
        """Follow the main study of a search, with full trainings of some length in trainings of candidates."""
        search = fingerprint_of(study)
        subject = (
            f"the tasks {', '.join(settings.tasks)} by {settings.monitor}"
            if settings.tasks
            else f"{predicted(search['num_classes'], settings.outputs)} by {settings.monitor}; model with "
            f"{search['num_weights']:,} weights"
        )
        tasks = (search, *(task for name, task in search.items() if name.startswith("task ")))
        caveats = dict.fromkeys(task["caveat"] for task in tasks if "caveat" in task)
        begin = f", beginning from {search[STARTED_FROM]}" if STARTED_FROM in search else ""

        def outlook() -> tuple[int, float]:
            generations = planned_generations(settings, study)
            candidates = generations * settings.candidates_per_generation
            return generations, trainings_ahead(settings, length, trained=candidates)

        generations, ahead = outlook()
        candidates = generations * settings.candidates_per_generation
        cost = f"{candidates} candidates, and a verdict that takes as long as {ahead:.0f} more"
        if settings.budget_seconds is not None:
            cost += f": what surely fits into {duration(settings.budget_seconds)}"
        return cls(
            study,
            search_monitor(settings),
            settings.candidates_per_generation,
            generations,
            "\n".join([f"searching {settings.loss_family} losses for {subject}{begin}", *caveats, cost]),
            progress,
            ahead,
            outlook if settings.time_budget is not None else None,
        )

    def begin(self) -> None:
        """Announce the search, and how far it was before."""
        candidates, summaries = self._read()
        self._told = len(complete_generations(summaries, self.population_size))
        self._listed = {candidate.slot for candidate in candidates}
        self.progress.start(self.title, self._standing(summaries), self._told)
        self._tell_baseline()

    def glance(self) -> None:
        """Do what :meth:`update` does, unless the last time was only just now for what it took."""
        begin = time.monotonic()
        if begin > self._look_after:
            self.update()
            end = time.monotonic()
            self._look_after = end + (end - begin) / SHARE

    def update(self) -> None:
        """Announce the generations that were completed since, and how the search stands."""
        if not self.progress.is_visible:
            return
        candidates, summaries = self._read()
        self._tell_baseline()
        for candidate in candidates:
            if candidate.slot not in self._listed:
                self._listed.add(candidate.slot)
                self.progress.candidate(candidate)
        self.progress.advance(self._standing(summaries))
        for place in range(self._told, len(complete_generations(summaries, self.population_size))):
            self._told += 1
            self.progress.generation(summaries[place], self._standing(summaries[: place + 1]))
            if place == 0:
                self._warn_of_the_first([each for each in candidates if each.generation == 0])

    def _warn_of_the_first(self, candidates: Sequence[CandidateRecord]) -> None:
        """Warn early of what would leave nothing to choose by in the end."""
        if are_alike(candidates):
            self.progress.warn(
                f"All candidates of the first generation have the same {self.monitor.name}. If that goes on, there is "
                f"nothing to choose by: {TELL_APART}."
            )

    def _tell_baseline(self) -> None:
        """Tell what candidates are seen beside as soon as it is known: another worker may be at it."""
        if self._baseline is None and (baseline := baseline_of(self.study)) is not None:
            self._baseline = baseline
            self.progress.beside(baseline)

    def _read(self) -> tuple[list[CandidateRecord], list[GenerationSummary]]:
        candidates = read_candidates(self.study)
        return candidates, summarize_generations(candidates, self.monitor)

    def _standing(self, summaries: Sequence[GenerationSummary]) -> Standing:
        if self.outlook is not None:
            self.generations, self.ahead = self.outlook()
        bests = [summary.best for summary in summaries if summary.best is not None]
        fates = sum_fates([summary.fates for summary in summaries])
        return Standing(
            generations=self.generations,
            candidates=self.generations * self.population_size,
            done=sum(summary.size for summary in summaries),
            best=self.monitor.best(bests) if bests else None,
            trained=fates[TRAINED],
            drawn=sum(fates.values()),
            ahead=self.ahead,
        )
