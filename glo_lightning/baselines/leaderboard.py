"""What is known, side by side: each loss at the learning rate that suits it, over seeds, and how far apart they are."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from glo_lightning.baselines.members import Member
from glo_lightning.compare.comparison import divergence
from glo_lightning.compare.statistics import mean_interval
from glo_lightning.search.exploration.start import Baseline
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation
from glo_lightning.words import number

RANKED_AS_AT_THE_END = 0.9
"""Rank correlation from which on a shorter training ranks losses as the whole one does."""

HALVES = 50
"""Ways to part the seeds in halves, of which one chooses and the other compares."""

FEWEST = 6
"""Trainings under which a rank correlation says nothing."""


@dataclass(frozen=True)
class Row:
    """A loss of the leaderboard, trained fully with every seed.

    Args:
        member: which it is.
        rate: what the learning rate was multiplied by.
        metrics: the validation metric of each seed; the worst metric where a training diverged.
        divergences: why the training with each seed diverged; empty texts for those that did not.
        curves: the metric after each validation, one list per seed.
    """

    member: Member
    rate: float
    metrics: tuple[float, ...]
    divergences: tuple[str, ...]
    curves: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, member: Member, rate: float, evaluations: Sequence[Evaluation]) -> "Row":
        """Return the row of some evaluations, one per seed."""
        return cls(
            member,
            rate,
            tuple(each.metric for each in evaluations),
            tuple(map(divergence, evaluations)),
            tuple(tuple(each.curve) for each in evaluations),
        )

    @property
    def name(self) -> str:
        """What tables call the loss."""
        return self.member.name

    @property
    def is_measured(self) -> bool:
        """Whether at least one training did not diverge."""
        return not all(self.divergences)

    @property
    def mean(self) -> float:
        """Mean of the metrics."""
        return float(np.mean(self.metrics))

    @property
    def std(self) -> float:
        """Sample standard deviation of the metrics."""
        return float(np.std(self.metrics, ddof=1))

    def after(self, share: float) -> float | None:
        """Return the mean metric after a share of the training, in (0, 1]; None if no training came so far."""
        reached = [curve for curve in self.curves if curve]
        if not reached:
            return None
        length = max(map(len, reached))
        place = max(0, math.ceil(share * length) - 1)
        values = [curve[place] for curve in reached if len(curve) > place]
        return float(np.mean(values)) if values else None

    def __str__(self) -> str:
        return self.name if self.rate == 1.0 else f"{self.name} at learning rate × {self.rate:.3g}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        loss = self.member.loss
        return {
            "name": self.name,
            "side": self.member.side,
            "rate": self.rate,
            "mean": self.mean,
            "std": self.std,
            "loss": None if loss is None else loss.to_dict(),
            "metrics": self.metrics,
            "divergences": self.divergences,
            "curves": self.curves,
        }


@dataclass(frozen=True)
class Lead:
    """By how much the best of some rows is better than the best of others, both chosen without what is measured.

    The best of many is partly the luckiest. So the best of either side is chosen by half of the seeds and compared by
    the others, for many halves in turn: the estimate is that of a choice, and not flattered by it. Its spread is that
    of the two that are best by all seeds, in pairs of seeds (t).

    All seeds share one validation split, whose samples are a matter of luck, too. Where a metric is a share of n
    samples, a gain of g takes at least n g of them on which the two differ, and each of these might have differed the
    other way: the interval has a variance of g / n more, which is the least there can be.

    Args:
        name: of the row that is the best of its side over all seeds.
        over: of the best of the other side.
        gain: the estimate; above 0 the first is better.
        low: end of its 95% confidence interval, over seeds and, of shares, over samples (McNemar's).
        high: the other end.
        noise: standard deviation over seeds, of the two together.
    """

    name: str
    over: str
    gain: float
    low: float
    high: float
    noise: float

    def __str__(self) -> str:
        return f"{number(self.gain, '+')} [{number(self.low, '+')}, {number(self.high, '+')}]"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Leaderboard:
    """What was trained before a search.

    Args:
        monitor: the metric.
        rows: the best first.
        scouts: single trainings of all losses at all learning rates: their metrics after each validation.
        epochs: of each training.
        seconds: of each training, on average.
        trainings: how many there were.
        samples: of the validation split, if the metric is a share of them, as accuracies are; else None.
    """

    monitor: Monitor
    rows: tuple[Row, ...]
    scouts: tuple[tuple[float, ...], ...]
    epochs: int
    seconds: float
    trainings: int
    samples: int | None = None

    def lead(self, rows: Sequence[Row], over: Sequence[Row]) -> Lead | None:
        """Return by how much the best of some rows is better than the best of others; None if either are none."""
        sides = [[row for row in side if row.is_measured] for side in (rows, over)]
        if not all(sides):
            return None
        first, second = (self.best(side) for side in sides)
        in_pairs = [self.monitor.gain(*pair) for pair in zip(first.metrics, second.metrics, strict=True)]
        low, high = mean_interval(in_pairs)
        gain, noise = self._cross_fitted(*sides), math.sqrt((first.std**2 + second.std**2) / 2.0)
        by_samples = 0.0 if self.samples is None else stats.norm.ppf(0.975) * math.sqrt(abs(gain) / self.samples)
        half = math.hypot((high - low) / 2.0, by_samples)
        return Lead(str(first), str(second), gain, gain - half, gain + half, noise)

    def _cross_fitted(self, rows: Sequence[Row], over: Sequence[Row]) -> float:
        """Return by how much the best of rows is better than that of others, chosen and compared by halves of seeds."""
        better = self.monitor.gain(1.0, over=0.0)
        sides = [better * np.array([row.metrics for row in side]) for side in (rows, over)]
        count, random, gains = len(rows[0].metrics), np.random.default_rng(0), []
        for _ in range(HALVES):
            halves = np.array_split(random.permutation(count), 2)
            for chosen_by, compared_by in (halves, halves[::-1]):
                first, second = (side[side[:, chosen_by].mean(1).argmax(), compared_by].mean() for side in sides)
                gains.append(first - second)
        return float(np.mean(gains))

    def best(self, rows: Sequence[Row] | None = None) -> Row:
        """Return the best of some rows that were measured, or of all."""
        measured = [row for row in (self.rows if rows is None else rows) if row.is_measured]
        return min(measured, key=lambda row: self.monitor.rank_key(row.mean))

    def rank_correlations(self) -> list[float]:
        """Return, for each validation, how well it ranks the better half of the scouts as the last one does.

        The worse half is easily told from the better one, which is not what a search needs.
        """
        whole = [curve for curve in self.scouts if curve]
        length = max(map(len, whole), default=0)
        finished = sorted(
            (curve for curve in whole if len(curve) == length), key=lambda curve: self.monitor.rank_key(curve[-1])
        )
        better = np.array(finished[: (len(finished) + 1) // 2])
        if len(better) < FEWEST or np.ptp(better[:, -1]) == 0.0:
            return []
        return [
            0.0 if np.ptp(column) == 0.0 else float(stats.spearmanr(column, better[:, -1]).statistic)
            for column in better.T
        ]

    def partial_epochs(self) -> int:
        """Return after how many epochs losses are ranked as at the end, from there on; all where that is not known."""
        correlations = self.rank_correlations()
        place = len(correlations)
        while place and correlations[place - 1] >= RANKED_AS_AT_THE_END:
            place -= 1
        return math.ceil((place + 1) * self.epochs / len(correlations)) if correlations else self.epochs

    def baselines(self) -> list[Baseline]:
        """Return what a search may begin from, the best first."""
        return [Baseline(row.name, row.member.loss, row.rate) for row in self.rows if row.member.loss is not None]
