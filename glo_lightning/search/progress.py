"""Say what a search is doing: a line per generation and, in a terminal, how far it is."""

import logging
import sys
import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from glo_lightning.losses import known_losses, known_regression_losses
from glo_lightning.search.records.candidates import BaselineScore, CandidateRecord, GenerationSummary
from glo_lightning.search.records.verdict import PURPOSES
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.trees import COEFFICIENT_POPULATION
from glo_lightning.words import duration, number

_logger = logging.getLogger(__name__)

BAR = 20
"""Columns of the bar; line and words around it fit 80."""

FIRST = 13
"""Columns of what a line begins with: a generation, a candidate, or the name of the baseline."""


@dataclass(frozen=True)
class Standing:
    """How far a stage of a search is.

    Args:
        generations: how many will run.
        candidates: how many they will have.
        done: candidates that have a verdict.
        best: the best metric so far, None if no candidate has one.
        trained: draws that were accepted for training.
        drawn: all draws, those included that were refused before they became candidates.
        ahead: what comes after the stage, as a number of trainings of candidates that would take as long.
    """

    generations: int
    candidates: int
    done: int
    best: float | None
    trained: int
    drawn: int
    ahead: float = 0.0


@dataclass(frozen=True)
class Trainings:
    """How far a list of trainings of the verdict is.

    Args:
        purpose: what they are for; one of ``PURPOSES``.
        done: trainings that are finished.
        total: in the list.
        length: of one, in trainings of candidates.
        ahead: what comes after the list, likewise.
    """

    purpose: str
    done: int
    total: int
    length: float = 1.0
    ahead: float = 0.0


def trainings_of_a_tuning(settings: SearchSettings) -> int:
    """Return how many candidates the search for the coefficients of a tree has."""
    return settings.coefficient_generations * COEFFICIENT_POPULATION


def trainings_ahead(settings: SearchSettings, length: float, after: str = "", trained: float | None = None) -> float:
    """Return how many trainings of candidates come after a search's first stage, or after a later part of it.

    Args:
        settings: of the search.
        length: of a full training, in trainings of candidates.
        after: ``"coefficients"``, ``"rival"``, or one of ``PURPOSES``.
        trained: candidates of the first stage that are trained; by default all.

    Example:
        >>> settings = SearchSettings(finalists=5, finalist_seeds=3, comparison_seeds=10, rival_budget=0)
        >>> trainings_ahead(settings, 4.0), trainings_ahead(settings, 4.0, after="finalists")
        (135.0, 120.0)
    """
    has_rivals = bool(settings.comparison_seeds and settings.rival_budget)
    losses = len(("cross-entropy", "its twin", "the winner")) + bool(settings.joint) + 2 * has_rivals
    tunings = settings.tuned_trees if (settings.loss_family, settings.stage) == ("glo", "both") else 0
    tuning = tunings * trainings_of_a_tuning(settings)
    if trained is None:
        trained = settings.generation_count * settings.candidates_per_generation
    rescoring = float(settings.finalists * settings.finalist_seeds)
    costs = {
        "coefficients": float(tuning),
        "rival": has_rivals * settings.rival_budget * (trained + tuning),
        "finalists": rescoring,
        "known": float(has_rivals * _known_rivals(settings)),
        "rivals": 2 * has_rivals * rescoring,
        "fidelity": settings.fidelity_sample * length,
        "comparison": losses * settings.comparison_seeds * length,
    }
    return sum(list(costs.values())[list(costs).index(after) + 1 if after else 0 :])


def _known_rivals(settings: SearchSettings) -> int:
    """Return how many losses of the literature a verdict tries: all but what everybody trains with."""
    real = settings.outputs == "real"
    return len(known_regression_losses() if real else known_losses(2, None, settings.outputs)) - 1


class Progress:
    """Logs a search, stage by stage. Enter it around the search: its bar must be taken down at the end.

    Args:
        console: a bar is shown if it is a terminal, and not quiet.
    """

    def __init__(self, console: Console) -> None:
        self._started = time.monotonic()
        self._done_before = 0
        self._trained_before = 0
        self._per_minute = 0.0
        self._seconds: float | None = None  # of a candidate's training, with all who work on it
        self._list = Trainings("", 0, 0)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(BAR),
            TextColumn("{task.fields[words]}"),
            console=console,
            transient=True,
            refresh_per_second=2,
            # What others print appears above the bar; where output goes elsewhere, it is left alone.
            redirect_stdout=sys.stdout.isatty(),
            disable=not console.is_terminal or console.quiet,
        )
        self._stage = self._bar.add_task("", visible=False, words="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def is_visible(self) -> bool:
        """Whether anybody wants to know."""
        return _logger.isEnabledFor(logging.INFO)

    def start(self, title: str, standing: Standing, finished: int) -> None:
        """Log the header of a stage, and how much was already done when a search continues.

        Args:
            title: what is searched.
            standing: how far the stage is.
            finished: generations that are complete.
        """
        self._started = time.monotonic()
        self._done_before = standing.done
        self._trained_before = standing.trained
        self._per_minute = 0.0
        self._say(title)
        if finished:
            self._say(f"continuing after {finished} finished generation{'s' * (finished > 1)}")
        columns = f"{'generation':>{FIRST}} {'best':>8} {'so far':>8} {'median':>8} {'may train':>9} {'per min':>8}"
        self._say(f"{columns} {'left':>12}", "bold")

    def beside(self, baseline: BaselineScore) -> None:
        """Log the line of what candidates are seen beside."""
        self._say(f"{baseline.name:>{FIRST}} {_number(baseline.metric):>8}")

    def generation(self, summary: GenerationSummary, standing: Standing) -> None:
        """Log the line of a complete generation.

        Args:
            summary: of the generation.
            standing: after it.
        """
        drawn = sum(summary.fates.values())
        self._say(
            f"{f'{summary.generation + 1}/{standing.generations}':>{FIRST}} {_number(summary.best):>8} "
            f"{_number(standing.best):>8} {_number(summary.median):>8} {_share(summary.trained, drawn):>9} "
            f"{self._per_minute:>8.0f} {self._left(standing):>12}"
        )

    def candidate(self, candidate: CandidateRecord) -> None:
        """Log the line of a candidate, as a detail."""
        if _logger.isEnabledFor(logging.DEBUG):
            place = f"{candidate.generation + 1}.{candidate.index + 1}"
            numbers = f"{_number(candidate.metric):>8} {candidate.status:>9} {candidate.seconds:>8.2f} s"
            _logger.debug(f"{place:>{FIRST}} {numbers}  {candidate.reason or candidate.formula}")

    def advance(self, standing: Standing) -> None:
        """Show how far the stage is; hide the bar when it is at its end."""
        elapsed = max(1e-3, time.monotonic() - self._started)
        self._per_minute = 60.0 * (standing.done - self._done_before) / elapsed
        if standing.trained > self._trained_before:
            self._seconds = elapsed / (standing.trained - self._trained_before)
        self._show(
            standing.done,
            standing.candidates,
            f"best {_number(standing.best)}, {_share(standing.trained, standing.drawn)} may train, "
            f"{self._per_minute:.0f}/min, {self._left(standing)} left",
        )

    def trainings(self, standing: Trainings) -> None:
        """Show how far a list of trainings of the verdict is: by the bar, or in a line per call where there is none.

        Args:
            standing: of the list; one for another purpose is introduced.
        """
        if standing.purpose != self._list.purpose:
            self._started, self._done_before = time.monotonic(), standing.done
            self._say(PURPOSES[standing.purpose])
        elif standing == self._list:
            return
        self._list = standing
        done = standing.done - self._done_before
        if done:
            self._seconds = (time.monotonic() - self._started) / done / standing.length
        units = (standing.total - standing.done) * standing.length + standing.ahead
        left = "" if self._seconds is None or not units else f", {duration(units * self._seconds)} left"
        self._show(standing.done, standing.total, f"trainings{left}")
        if standing.done and self._bar.disable:
            self._say(f"{f'{standing.done}/{standing.total}':>{FIRST}} trainings{left}")

    def _show(self, done: int, total: int, words: str) -> None:
        self._bar.update(
            self._stage, description=f"{done}/{total}", total=total, completed=done, words=words, visible=done < total
        )

    def note(self, text: str) -> None:
        """Log a line about what comes next."""
        self._say(text)

    def warn(self, text: str) -> None:
        """Log a warning."""
        _logger.warning(text)

    def _left(self, standing: Standing) -> str:
        if not self._per_minute or (standing.ahead and self._seconds is None):
            return "-"
        ahead = standing.ahead * (self._seconds or 0.0)
        return duration(60.0 * (standing.candidates - standing.done) / self._per_minute + ahead)

    def _say(self, text: str, style: str = "") -> None:
        for line in text.splitlines():
            _logger.info(line, extra={"style": style})


def _number(metric: float | None) -> str:
    return "-" if metric is None else number(metric)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
