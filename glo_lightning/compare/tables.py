"""Comparisons in words and tables: the one place where they are put so, for terminal, report and dashboard."""

import io
import math

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glo_lightning.compare.comparison import Comparison, LossResult, commonest
from glo_lightning.training.monitor import Monitor
from glo_lightning.words import say

COLUMNS = ("loss", "mean ± std", "difference [95% interval]", "p", "g")

LEGEND = """\
p  Welch's t-test, after Holm for all tests of the comparison
g  the difference in standard deviations (Hedges)"""

MEDIUM_EFFECT = 0.5
"""Standard deviations below which a difference matters little. Source: Cohen's conventions."""


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a row per loss, in the order of :data:`COLUMNS`.

    A loss whose trainings all diverged has no numbers; one of which some did is marked with †.
    """
    return [_row(result, result.name == comparison.baseline) for result in comparison.results]


def comparison_table(comparison: Comparison, data: str = "") -> Table:
    """Return the rows as a table of at most 80 columns.

    Args:
        comparison: losses side by side, the baseline first.
        data: what they were trained on, for the title, if that needs to be said.
    """
    title = f"{comparison.title}, {len(comparison.seeds)} seeds each" + (f", {data}" if data else "")
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, padding=0)
    table.add_column(COLUMNS[0], overflow="fold")
    for column in COLUMNS[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    for name, *numbers in comparison_rows(comparison):
        table.add_row(escape(name), *numbers)
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """Return the rows as a Markdown table under its title."""
    title = f"{comparison.title}, {len(comparison.seeds)} seeds each"
    lines = [COLUMNS, ("---",) + ("--:",) * (len(COLUMNS) - 1), *comparison_rows(comparison)]
    return "\n".join([f"{title}:\n", *("| " + " | ".join(line) + " |" for line in lines)])


def verdict_sentences(comparison: Comparison) -> list[str]:
    """Say whether the loss in focus is better than each other loss, and whose trainings diverged.

    Args:
        comparison: losses side by side, the discovered one in focus.

    Returns:
        A sentence for each of the other losses it was compared with, and one for each loss of which trainings diverged.
    """
    focus = comparison.focus
    rivals = [result.name for result in comparison.results if result.name != focus]
    verdicts = [] if focus is None else [_sentence(comparison, focus, rival) for rival in rivals]
    return [*filter(None, verdicts), *divergence_sentences(comparison)]


def divergence_sentences(comparison: Comparison) -> list[str]:
    """Say of which losses trainings diverged, because that decides their means."""
    return [_tell_divergence(result, comparison) for result in comparison.results if result.num_diverged]


def learnt_nothing(who: str, metric: float, untrained: float, monitor: Monitor) -> str:
    """Warn if the best of a comparison is no better than a model that saw one batch; an empty text if it is.

    Args:
        who: the best, to begin a sentence with.
        metric: what it has.
        untrained: what the model has that saw one batch.
        monitor: the metric.

    Example:
        >>> learnt_nothing("Baikal", 0.1, 0.1, Monitor())
        'WARNING: nothing was learnt. Baikal has val_accuracy 0.1000, and a model after one batch 0.1000.'
    """
    if monitor.is_better(metric, than=untrained):
        return ""
    return (
        f"WARNING: nothing was learnt. {who} has {monitor.name} {number(metric)}, and a model after one batch "
        f"{number(untrained)}."
    )


def render(comparison: Comparison, width: int = 80) -> str:
    """Return the table and the sentences as plain text.

    Args:
        comparison: losses side by side, the baseline first.
        width: columns.
    """
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
        for sentence in verdict_sentences(comparison):
            say(console, sentence)
    return capture.get()


def _row(result: LossResult, is_baseline: bool) -> tuple[str, ...]:
    if not result.is_measured:
        return result.name, "diverged", "", "", ""
    mark = " †" if result.num_diverged else ""
    measured = f"{number(result.mean)} ± {number(result.std)}"
    effect = "" if result.effect_size is None else f"{result.effect_size:+.2f}"
    return result.name + mark, measured, "baseline" if is_baseline else _difference(result), _p_value(result), effect


def _sentence(comparison: Comparison, discovered: str, rival: str) -> str:
    result = comparison.against(discovered, rival)
    if result.difference is None:
        return ""
    told = f"({_difference(result)}, p = {_p_value(result)})"
    if comparison.beats(discovered, rival):
        return f"The discovered loss beats {rival} {told}."
    if comparison.beats(rival, discovered):
        return f"The discovered loss is worse than {rival} {told}."
    seeds = f"with {len(comparison.seeds)} seeds"
    if _is_wide(result, comparison.result(rival)):
        return f"The discovered loss cannot be told apart from {rival} {seeds} {told}; more seeds would tell."
    return f"The discovered loss does as well as {rival} {seeds} {told}."


def _is_wide(result: LossResult, reference: LossResult) -> bool:
    """Whether a difference that matters would fit into the interval of one that is not significant."""
    assert result.low is not None
    assert result.high is not None
    std = math.sqrt((result.std**2 + reference.std**2) / 2.0)
    return max(-result.low, result.high) > MEDIUM_EFFECT * std


def _tell_divergence(result: LossResult, comparison: Comparison) -> str:
    reason = commonest([reason for reason in result.divergences if reason])
    count, worst = len(result.metrics), comparison.monitor.worst_metric
    if not result.is_measured:
        return f"{result.name}: all {count} trainings diverged ({reason}); it is compared with nothing."
    diverged = f"{result.num_diverged} of {count} trainings diverged ({reason})"
    return f"{result.name} †: {diverged}, and count with the worst metric, {worst:g}."


def _difference(result: LossResult) -> str:
    if result.difference is None or result.low is None or result.high is None:
        return ""
    return f"{number(result.difference, '+')} [{number(result.low, '+')}, {number(result.high, '+')}]"


def _p_value(result: LossResult) -> str:
    if result.adjusted_p is None:
        return ""
    return f"{result.adjusted_p:.4f}" if result.adjusted_p >= 1e-4 else f"{result.adjusted_p:.0e}"


def number(value: float, sign: str = "") -> str:
    """Write a metric with four decimals, and a large one with four digits.

    Example:
        >>> number(0.97243), number(0.00224, "+"), number(123456.7)
        ('0.9724', '+0.0022', '1.235e+05')
    """
    return format(value, f"{sign}.4f" if abs(value) < 1000.0 else f"{sign}.4g")
