"""Comparisons in words and tables: the one place where they are put so, for terminal, report and dashboard."""

import io
import math

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glo_lightning.compare.comparison import Comparison, LossResult, commonest
from glo_lightning.compare.rivals import JOINT, KNOWN, OWN, SCALED, TUNED
from glo_lightning.hyperparameters import Hyperparameters, describe
from glo_lightning.training.monitor import Monitor
from glo_lightning.words import number, say

EFFECT = "g"
COST = "cost"
UNTESTED = "–"

LEGEND = {
    "p": "Welch's t-test, after Holm for all tests of the comparison",
    EFFECT: "the difference in standard deviations (Hedges)",
    COST: "trainings that went into finding the loss, before the comparison",
    UNTESTED: "no test: nothing varies from seed to seed",
}
"""What columns and signs mean that do not say it."""

ROWS = {
    JOINT: "joint  with the learning rate and whatever else was found along with the discovered loss",
    SCALED: "×  as steep at its start as the discovered loss, which a larger learning rate would do, too",
}
"""What rows mean of a comparison with a discovered loss."""

MEDIUM_EFFECT = 0.5
"""Standard deviations below which a difference matters little. Source: Cohen's conventions."""


def columns(comparison: Comparison) -> tuple[str, ...]:
    """Return the names of a comparison's columns; the last is what losses cost where one was searched."""
    return "loss", "mean ± std", "difference [95% interval]", "p", EFFECT if comparison.focus is None else COST


def legend(comparison: Comparison) -> list[str]:
    """Return a line for what needs one of the rows, columns and signs: its name, two blanks and its meaning."""
    names = [] if comparison.focus is None else [each.name for each in comparison.results]
    rows = [line for part, line in ROWS.items() if any(part in name for name in names)]
    is_untested = any(0.0 in (result.adjusted_p, result.paired_p) for result in comparison.results)
    shown = (*columns(comparison), UNTESTED * is_untested)
    return rows + [f"{name}  {LEGEND[name]}" for name in shown if name in LEGEND]


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a row per loss, in the order of :func:`columns`; differences are from the comparison's reference.

    Of a search's verdict the strongest rival has the first row, and the discovered loss the last. A loss whose
    trainings all diverged has no numbers; one of which some did is marked with †.
    """
    return [_row(result.name, comparison) for result in comparison.ranked]


def comparison_table(comparison: Comparison, data: str = "") -> Table:
    """Return the rows as a table of at most 80 columns.

    Args:
        comparison: losses side by side.
        data: what they were trained on, for the title, if that needs to be said.
    """
    title = f"{comparison.title}, {len(comparison.seeds)} seeds each" + (f", {data}" if data else "")
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, padding=0)
    first, *others = columns(comparison)
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    for name, *numbers in comparison_rows(comparison):
        table.add_row(escape(name), *numbers)
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """Return the rows as a Markdown table under its title."""
    title = f"{comparison.title}, {len(comparison.seeds)} seeds each"
    names = columns(comparison)
    lines = [names, ("---",) + ("--:",) * (len(names) - 1), *comparison_rows(comparison)]
    return "\n".join([f"{title}:\n", *("| " + " | ".join(line) + " |" for line in lines)])


def headline(comparison: Comparison) -> str:
    """Say in one sentence how the loss in focus does against its strongest rival, and whether no rival was tuned.

    Args:
        comparison: losses side by side, the discovered one in focus.
    """
    if not comparison.result(comparison.reference).is_measured:
        return "The discovered loss diverged in every full training."
    if comparison.strongest is None:
        return "All rivals of the discovered loss diverged in every full training."
    return _sentence(comparison, comparison.strongest) + _caveat(comparison)


def verdict_sentences(comparison: Comparison) -> list[str]:
    """Say whether the loss in focus is better than each other loss, and whose trainings diverged.

    Args:
        comparison: losses side by side, the discovered one in focus.

    Returns:
        The headline; a sentence for each of the other rivals; how small a difference the seeds could have shown; what
        the rivals are that were searched; and a sentence for each loss of which trainings diverged.
    """
    if comparison.focus is None:
        return divergence_sentences(comparison)
    strongest = comparison.strongest
    others = [result.name for result in comparison.ranked if result.name not in (comparison.focus, strongest)]
    verdicts = [headline(comparison), *(_sentence(comparison, rival) for rival in others)]
    told = [*filter(None, verdicts)]
    if strongest is not None and comparison.result(comparison.focus).is_measured:
        told += [_tell_resolution(comparison, strongest), *_tell_notes(comparison)]
    return [*told, *divergence_sentences(comparison)]


def choice_sentence(comparison: Comparison, name: str, hyperparameters: Hyperparameters) -> str:
    """Say which loss to take home, and why; an empty text where it is not known how losses do on validation data.

    Args:
        comparison: losses side by side, the discovered one in focus.
        name: of the loss.
        hyperparameters: of the model that it was trained with, where they differ from those it is configured with.
    """
    chosen, found = comparison.result(name), comparison.result(comparison.reference)
    if chosen.validation_mean is None or found.validation_mean is None:
        return ""
    mean = number(chosen.validation_mean)
    if chosen is found:
        told = f"To take home: the discovered loss, the best of these on validation data ({mean})."
    else:
        beside = (
            f"the discovered loss {number(found.validation_mean)}"
            if found.is_measured
            else "the discovered loss diverged"
        )
        told = f"To take home: {_in_words(comparison, name)}; on validation data it has {mean}, {beside}."
        if hyperparameters:
            told += f" It goes with {', '.join(describe(hyperparameters))}."
    best = comparison.best_on_validation([result.name for result in comparison.results])
    if best == OWN:
        told += f" Your own loss does better there, {number(comparison.result(OWN).validation_mean or 0.0)}: keep it."
    return told


def divergence_sentences(comparison: Comparison) -> list[str]:
    """Say of which losses trainings diverged, because that decides their means."""
    return [_tell_divergence(result, comparison) for result in comparison.ranked if result.num_diverged]


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
        comparison: losses side by side.
        width: columns.
    """
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
        for sentence in verdict_sentences(comparison):
            say(console, sentence)
    return capture.get()


def _row(name: str, comparison: Comparison) -> tuple[str, ...]:
    result = comparison.against(name, comparison.reference)
    shown = name + " (yours)" * (name == comparison.own != OWN) + " †" * (result.num_diverged and result.is_measured)
    cost = f"{result.origin.cost}" if comparison.focus is not None else ""
    if not result.is_measured:
        return shown, "diverged", "", "", cost
    measured = f"{number(result.mean)} ± {number(result.std)}"
    if name == comparison.reference:
        return shown, measured, "baseline" if comparison.focus is None else "reference", "", cost
    effect = "" if result.effect_size is None else f"{result.effect_size:+.2f}"
    last = effect if comparison.focus is None else cost
    return shown, measured, _difference(result), _p_value(result.adjusted_p), last


def _sentence(comparison: Comparison, rival: str) -> str:
    discovered = comparison.reference
    result = comparison.against(discovered, rival)
    if result.difference is None:
        return ""
    told = f"({_difference(result)}, p = {_p_value(result.adjusted_p)}, paired p = {_p_value(result.paired_p)})"
    name = _in_words(comparison, rival)
    if comparison.beats(discovered, rival):
        return f"The discovered loss beats {name} {told}."
    if comparison.beats(rival, discovered):
        return f"The discovered loss is worse than {name} {told}."
    reason = _reason(rival) if comparison.beats(discovered, comparison.baseline) else ""
    within = f"Within {len(comparison.seeds)} seeds the discovered loss"
    if _is_wide(result, comparison.result(rival)):
        return f"{within} cannot be told apart from {name} {told}; more seeds would tell.{reason}"
    return f"{within} does as well as {name} {told}.{reason}"


def _reason(rival: str) -> str:
    """Return what a rival that is not beaten has in common with the discovered loss, as the cause of its gain."""
    base, _, scales = rival.partition(SCALED)
    if base.endswith(JOINT) and not scales:
        return " Perhaps it gains only by the hyperparameters found, which that has, too."
    factors = [float(scale) for scale in scales.split(", ") if scale]
    if not factors:
        return ""
    larger, smaller = all(factor > 1.0 for factor in factors), all(factor < 1.0 for factor in factors)
    steps = "larger steps" if larger else "smaller steps" if smaller else "steps of another size"
    return f" Perhaps it gains only by {steps}: its shape shows no gain."


def _in_words(comparison: Comparison, rival: str) -> str:
    """Return what a rival is called within a sentence."""
    if rival == OWN:
        return "your own loss"
    if rival == comparison.own:
        return f"{rival}, which is your own loss"
    if rival.startswith(KNOWN):
        return f"{rival.removeprefix(KNOWN)}, the best of the known losses"
    if not rival.endswith(TUNED):
        return rival
    spent, own = (comparison.result(name).origin.cost for name in (rival, comparison.reference))
    share = "as many" if spent >= own else f"{spent} instead of {own}"
    return f"{rival.removesuffix(TUNED)} tuned with {share} trainings"


def _caveat(comparison: Comparison) -> str:
    """Say that cross-entropy was not tuned, if it was not."""
    if any(result.name.endswith(TUNED) for result in comparison.results):
        return ""
    return f" {comparison.baseline.capitalize()} was not tuned, which may be all that a gain takes."


def _tell_notes(comparison: Comparison) -> list[str]:
    """Say what the rivals are that were searched."""
    return [f"{each.name}: {each.origin.note}." for each in comparison.results if each.origin.note]


def _tell_resolution(comparison: Comparison, rival: str) -> str:
    """Say how small a difference from a rival would have shown."""
    least = number(comparison.detectable(rival))
    return f"These {len(comparison.seeds)} seeds would have shown a difference of {least} four times in five."


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


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.0e}" if value else UNTESTED
