"""Records as Markdown tables, losses beside each other and verdict by verdict."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from glo_lightning.compare.comparison import SIGNIFICANCE, Comparison
from glo_lightning.compare.rivals import BASELINE, KNOWN, TUNED
from glo_lightning.compare.statistics import holm
from glo_lightning.search.records.verdict import DISCOVERED
from page.records import Record
from page.searching import FAMILIES

ROWS = {"cross-entropy": BASELINE, "tuned": BASELINE + TUNED, "best known": KNOWN, "found": DISCOVERED}
"""Losses of a verdict by what tables call them; of the known ones, how the name begins."""


def metrics_of(comparison: Comparison, row: str) -> list[float]:
    """Return what the seeds of a loss have, by its name in tables; nothing if the verdict has no such loss."""
    names = [each.name for each in comparison.results if each.name.startswith(ROWS[row])]
    exact = [name for name in names if row == "best known" or name == ROWS[row]]
    return list(comparison.result(exact[0]).metrics) if exact else []


def pooled(records: Iterable[Record], row: str, other: str = "") -> list[float]:
    """Return the metrics of all verdicts."""
    comparisons = [each.others[other] if other else each.comparison for each in records]
    return [metric for comparison in comparisons for metric in metrics_of(comparison, row)]


def by_condition(records: Sequence[Record], conditions: Iterable[str], title: str, other: str = "") -> str:
    """Return a row per condition: what everybody has, over all verdicts, and what each family found."""
    families = families_of(records)
    head = [title, "cross-entropy", "tuned", "best known", *(f"found: {family}" for family in families)]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for condition in conditions:
        own = [each for each in records if each.condition == condition]
        if not own:
            continue
        samples = [pooled(own, row, other) for row in ("cross-entropy", "tuned", "best known")]
        samples += [pooled([each for each in own if each.family == family], "found", other) for family in families]
        monitor = (own[0].others[other] if other else own[0].comparison).monitor
        best = monitor.best(statistics.mean(sample) for sample in samples if sample)
        lines.append([condition, *(_cell(sample, best) for sample in samples)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdicts(records: Sequence[Record], conditions: Iterable[str], other: str = "") -> str:
    """Return how many verdicts are won, and below a fold a row per condition and family, search by search.

    A cell has the loss found against its strongest rival; bold is a win and ↓ a defeat, by Welch's p after Holm within
    the verdict. The sentence above the fold corrects once more, for all verdicts of the table.
    """
    searches = sorted({each.search for each in records})
    head = ["", "found", *(f"search {number}: difference, p, strongest rival" for number in searches), "trainings", "s"]
    lines = [head, ["---", "---", *["---"] * len(searches), "--:", "--:"]]
    told = {each.key: _Told.of(each.others[other] if other else each.comparison) for each in records}
    for condition in conditions:
        own = [each for each in records if each.condition == condition]
        for family in families_of(own):
            here = {each.search: each for each in own if each.family == family}
            cells = [str(told[here[number].key]) if number in here else "" for number in searches]
            trainings, spent = (
                statistics.mean(getattr(each, name) for each in here.values()) for name in ("trainings", "cpu_seconds")
            )
            lines.append([condition, family, *cells, f"{trainings:.0f}", f"{spent:.0f}"])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    measured = [each for each in told.values() if each.p is not None]
    summary = tally([each.p or 0.0 for each in measured], [each.gain for each in measured])
    return f"<details><summary>{summary} Verdict by verdict:</summary>\n\n{table}\n\n</details>\n"


@dataclass(frozen=True)
class _Told:
    """A verdict in a cell."""

    text: str
    gain: float = 0.0
    p: float | None = None

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        rival = comparison.strongest or comparison.baseline
        result = comparison.against(DISCOVERED, rival)
        if result.difference is None or result.low is None or result.high is None or result.adjusted_p is None:
            return cls("diverged")
        interval = f"{result.difference:+.3f} [{result.low:+.3f}, {result.high:+.3f}]"
        gain = comparison.monitor.gain(result.difference, over=0.0)
        if result.adjusted_p < SIGNIFICANCE:
            interval = f"**{interval}**" if gain > 0 else f"{interval} ↓"
        name = rival.removeprefix(KNOWN).replace("cross-entropy, tuned", "tuned")
        return cls(f"{interval}, {_p(result.adjusted_p)}, {name}", gain, result.adjusted_p)

    def __str__(self) -> str:
        return self.text


def families_of(records: Iterable[Record]) -> list[str]:
    """Return the families of records, in the order in which tables have them."""
    return sorted({each.family for each in records}, key=list(FAMILIES).index)


def tally(p_values: Sequence[float], gains: Sequence[float]) -> str:
    """Say how many verdicts are won and lost, each by itself and all together."""

    def count(values: Sequence[float]) -> str:
        clear = [gain for p, gain in zip(values, gains, strict=True) if p < SIGNIFICANCE]
        won, lost = sum(gain > 0 for gain in clear), sum(gain < 0 for gain in clear)
        return f"{won} won, {lost} lost, {len(gains) - won - lost} undecided"

    return f"Of {len(gains)} verdicts: {count(p_values)}; after Holm over all of them: {count(holm(p_values))}."


def _cell(sample: Sequence[float], best: float) -> str:
    if not sample:
        return ""
    mean = statistics.mean(sample)
    told = f"{_short(mean)} ± {_short(statistics.stdev(sample))}"
    return f"**{told}**" if mean == best else told


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1.0 else f"{value:.3f}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.0e}" if value else "0"
