"""Ask whether partial trainings rank losses as full trainings do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from glo_lightning.search.records import CandidateRecord, ranked
from glo_lightning.training.evaluation import Evaluator, Monitor, Run


@dataclass(frozen=True)
class Fidelity:
    """Partial against full training of a sample of candidates.

    Args:
        trials: numbers of their trials, best partial training first.
        partial: the metric each had in the search.
        full: the metric each had after full training, on the same validation split.
        epochs: epochs of a full training.
        spearman: rank correlation in [-1, 1]; None if it is undefined, because all are equal.
        kendall: Kendall's tau-b in [-1, 1]; None if it is undefined.
    """

    trials: tuple[int, ...]
    partial: tuple[float, ...]
    full: tuple[float, ...]
    epochs: int
    spearman: float | None
    kendall: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Fidelity":
        """Read what :meth:`to_dict` returned."""
        samples = {name: tuple(stored[name]) for name in ("trials", "partial", "full")}
        return cls(**{**stored, **samples})

    def __str__(self) -> str:
        if self.spearman is None or self.kendall is None:
            return f"Partial against full training: all of {len(self.trials)} candidates are equal."
        return (
            f"Partial training ranks losses as {self.epochs} epochs do with Spearman {self.spearman:.2f}, "
            f"Kendall {self.kendall:.2f} ({len(self.trials)} candidates)."
        )


def measure_fidelity(
    candidates: Sequence[CandidateRecord],
    count: int,
    evaluator: Evaluator,
    run: Callable[[CandidateRecord], Run],
    monitor: Monitor,
    epochs: int,
) -> Fidelity:
    """Train a sample of candidates fully, and correlate.

    Args:
        candidates: of the search.
        count: size of the sample, spread evenly over the ranks of those that trained.
        evaluator: trains fully and scores on the validation split.
        run: makes the training of a candidate.
        monitor: the metric.
        epochs: of a full training, for the record.
    """
    sample = spread(candidates, count, monitor)
    evaluations = evaluator.evaluate([run(candidate) for candidate in sample])
    partial = tuple(float(candidate.metric or 0.0) for candidate in sample)
    full = tuple(monitor.to_metric(evaluation.score) for evaluation in evaluations)
    return Fidelity(
        tuple(candidate.trial for candidate in sample),
        partial,
        full,
        epochs,
        _finite(stats.spearmanr(partial, full).statistic),
        _finite(stats.kendalltau(partial, full).statistic),
    )


def spread(candidates: Sequence[CandidateRecord], count: int, monitor: Monitor) -> list[CandidateRecord]:
    """Return ``count`` of the candidates that trained to the end, from the best to the worst in even steps of rank."""
    ordered = ranked(candidates, monitor)
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[place] for place in places]


def _finite(statistic: float) -> float | None:
    return float(statistic) if np.isfinite(statistic) else None
