"""The verdict of a search as tables for a terminal."""

import io

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glo_lightning.compare.comparison import Comparison, LossResult, divergence_sentences
from glo_lightning.training.monitor import Monitor
from glo_lightning.words import say


def comparison_table(comparison: Comparison) -> Table:
    """Return one row per loss: mean and spread, difference with its confidence interval, p-value.

    Args:
        comparison: losses side by side, the baseline first.

    Returns:
        A table of at most 80 columns.
    """
    seeds = len(comparison.seeds)
    title = f"{comparison.monitor.name} on the {comparison.split} split, {seeds} seeds each"
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("loss", overflow="fold")
    for column in ("mean ± std", "difference [95% interval]", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in comparison.results:
        table.add_row(
            escape(result.name), f"{result.mean:.4f} ± {result.std:.4f}", difference_text(result), p_value_text(result)
        )
    return table


def verdict_sentences(comparison: Comparison, discovered: str) -> list[str]:
    """Say whether the discovered loss is better than each other loss, and whose trainings diverged.

    Args:
        comparison: losses side by side, the baseline first.
        discovered: name of the discovered loss.

    Returns:
        A sentence for each of the other losses, and one for each loss of which some trainings diverged.
    """
    rivals = [result.name for result in comparison.results if result.name != discovered]
    verdicts = [_sentence(comparison.against(discovered, rival), rival, comparison.monitor) for rival in rivals]
    return verdicts + divergence_sentences(comparison)


def _sentence(result: LossResult, rival: str, monitor: Monitor) -> str:
    significant = result.p_value is not None and result.p_value < SIGNIFICANCE
    better = monitor.gain(result.difference or 0.0, over=0.0) > 0.0
    verb = ("beats" if better else "is worse than") if significant else "does not beat"
    return f"The discovered loss {verb} {rival} ({difference_text(result)}, p = {p_value_text(result)})."


SIGNIFICANCE = 0.05
"""p-value under which a difference counts."""


def difference_text(result: LossResult) -> str:
    """Write a difference with its confidence interval."""
    if result.difference is None or result.low is None or result.high is None:
        return "baseline"
    return f"{result.difference:+.4f} [{result.low:+.4f}, {result.high:+.4f}]"


def p_value_text(result: LossResult) -> str:
    """Write a p-value; nothing for the baseline."""
    if result.p_value is None:
        return ""
    return f"{result.p_value:.4f}" if result.p_value >= 1e-4 else f"{result.p_value:.0e}"


def render(comparison: Comparison, discovered: str, width: int = 80) -> str:
    """Return the table and the sentences as plain text.

    Args:
        comparison: losses side by side, the baseline first.
        discovered: name of the discovered loss.
        width: columns.
    """
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
        for sentence in verdict_sentences(comparison, discovered):
            say(console, sentence)
    return capture.get()
