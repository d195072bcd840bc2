"""Say what a search is doing: one line per generation in a terminal, silence elsewhere."""

import time

from rich.console import Console

from glo_lightning.search.records import GenerationSummary


class Progress:
    """Prints a line when a generation is complete.

    Args:
        console: where to print; nothing is printed unless it is a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.generations = 0
        self._started = time.monotonic()
        self._finished_before = 0

    @property
    def is_visible(self) -> bool:
        """Whether anything is printed."""
        return self.console.is_terminal and not self.console.quiet

    def start(self, title: str, generations: int, finished: int) -> None:
        """Print the header, and how much was already done when a search continues.

        Args:
            title: what is searched.
            generations: how many will run.
            finished: how many are complete.
        """
        self.generations = generations
        self._started = time.monotonic()
        self._finished_before = finished
        self._say(title)
        if finished:
            self._say(f"continuing after {finished} finished generations")
        self._say(f"[bold]{'generation':>10} {'best':>8} {'median':>8} {'stopped':>11} {'seconds':>8} {'left':>8}[/]")

    def generation(self, summary: GenerationSummary) -> None:
        """Print the line of a complete generation."""
        done = summary.generation + 1
        per_generation = (time.monotonic() - self._started) / max(1, done - self._finished_before)
        left = per_generation * (self.generations - done)
        self._say(
            f"{f'{done}/{self.generations}':>10} {_number(summary.best):>8} {_number(summary.median):>8} "
            f"{f'{summary.stopped} of {summary.size}':>11} {summary.seconds:>8.1f} {f'{left:.0f} s':>8}"
        )

    def note(self, text: str) -> None:
        """Print a line about what comes next."""
        self._say(text)

    def _say(self, text: str) -> None:
        if self.is_visible:
            self.console.print(text, highlight=False)


def _number(metric: float | None) -> str:
    return "-" if metric is None else f"{metric:.4f}"
