"""Say what a search is doing: a line per generation and, in a terminal, how far it is."""

import sys
import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from glo_lightning.search.records.candidates import CandidateRecord, GenerationSummary
from glo_lightning.words import duration

BAR = 20
"""Columns of the bar; line and words around it fit 80."""


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
    """

    generations: int
    candidates: int
    done: int
    best: float | None
    trained: int
    drawn: int


class Progress:
    """Tells of a search, stage by stage. Enter it around the search: its bar must be taken down at the end.

    Args:
        console: where to print; a bar is shown if it is a terminal.
        every_candidate: whether candidates get lines of their own.
    """

    def __init__(self, console: Console, every_candidate: bool = False) -> None:
        self.console = console
        self.every_candidate = every_candidate
        self._started = time.monotonic()
        self._done_before = 0
        self._per_minute = 0.0
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
        """Whether anything is printed."""
        return not self.console.quiet

    def start(self, title: str, standing: Standing, finished: int) -> None:
        """Print the header of a stage, and how much was already done when a search continues.

        Args:
            title: what is searched.
            standing: how far the stage is.
            finished: generations that are complete.
        """
        self._started = time.monotonic()
        self._done_before = standing.done
        self._per_minute = 0.0
        self._say(title)
        if finished:
            self._say(f"continuing after {finished} finished generation{'s' * (finished > 1)}")
        columns = f"{'generation':>10} {'best':>8} {'so far':>8} {'median':>8} {'accepted':>9} {'per min':>8}"
        self._say(f"[bold]{columns} {'left':>12}[/]")

    def generation(self, summary: GenerationSummary, standing: Standing) -> None:
        """Print the line of a complete generation.

        Args:
            summary: of the generation.
            standing: after it.
        """
        drawn = sum(summary.fates.values())
        self._say(
            f"{f'{summary.generation + 1}/{standing.generations}':>10} {_number(summary.best):>8} "
            f"{_number(standing.best):>8} {_number(summary.median):>8} {_share(summary.trained, drawn):>9} "
            f"{self._per_minute:>8.0f} {self._left(standing):>12}"
        )

    def candidate(self, candidate: CandidateRecord) -> None:
        """Print the line of a candidate, if every candidate gets one."""
        if self.every_candidate:
            place = f"{candidate.generation + 1}.{candidate.index + 1}"
            told = candidate.reason or candidate.formula
            line = (
                f"{place:>10} {_number(candidate.metric):>8} {candidate.status:>9} {candidate.seconds:>8.2f} s  {told}"
            )
            fits = {"no_wrap": True, "overflow": "ellipsis"} if self.console.is_terminal else {"soft_wrap": True}
            self.console.print(line, highlight=False, markup=False, **fits)

    def advance(self, standing: Standing) -> None:
        """Show how far the stage is; hide the bar when it is at its end."""
        self._per_minute = 60.0 * (standing.done - self._done_before) / max(1e-3, time.monotonic() - self._started)
        words = (
            f"best {_number(standing.best)}, {_share(standing.trained, standing.drawn)} accepted, "
            f"{self._per_minute:.0f}/min, {self._left(standing)} left"
        )
        self._bar.update(
            self._stage,
            description=f"{standing.done}/{standing.candidates}",
            total=standing.candidates,
            completed=standing.done,
            words=words,
            visible=standing.done < standing.candidates,
        )

    def note(self, text: str) -> None:
        """Print a line about what comes next."""
        self._say(text)

    def _left(self, standing: Standing) -> str:
        left = standing.candidates - standing.done
        return duration(60.0 * left / self._per_minute) if self._per_minute else "-"

    def _say(self, text: str) -> None:
        if self.is_visible:
            self.console.print(text, highlight=False, soft_wrap=not self.console.is_terminal)


def _number(metric: float | None) -> str:
    return "-" if metric is None else f"{metric:.4f}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
