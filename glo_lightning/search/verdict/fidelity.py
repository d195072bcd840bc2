"""Ask whether partial trainings rank losses as full trainings do."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from glo_lightning.compare.comparison import divergence
from glo_lightning.search.records.candidates import CandidateRecord, ranked
from glo_lightning.search.records.verdict import Fidelity
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluator, Run


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
    full = tuple(evaluation.metric for evaluation in evaluations)  # of those that diverged, the worst
    return Fidelity(
        tuple(candidate.trial for candidate in sample),
        partial,
        tuple(None if divergence(evaluation) else evaluation.metric for evaluation in evaluations),
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
