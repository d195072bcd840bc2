"""Read a study back: one record per candidate, one summary per generation."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.training.evaluation import Monitor


@dataclass(frozen=True)
class CandidateRecord:
    """One finished candidate.

    Args:
        trial: number of its Optuna trial.
        generation: from 0.
        index: place in the generation, from 0.
        metric: the monitored metric; None if it was not trained to the end.
        parameters: what the sampler proposed.
        formula: the loss in Unicode.
        theory: drive, curvature, ratio and verdicts at the null epoch.
        status: how it ended: a training status, or "violated" if the invariant stopped it.
        reason: why it ended early, or empty.
        seconds: training time.
    """

    trial: int
    generation: int
    index: int
    metric: float | None
    parameters: dict[str, float]
    formula: str
    status: str
    reason: str
    seconds: float
    theory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerationSummary:
    """What one generation brought.

    Args:
        generation: from 0.
        best: the best metric, None if no candidate has one.
        median: the median metric of the trained candidates.
        trained: candidates that were trained.
        violated: candidates the invariant stopped.
        size: candidates that have a verdict.
        seconds: training time of all of them.
    """

    generation: int
    best: float | None
    median: float | None
    trained: int
    violated: int
    size: int
    seconds: float


def read_candidates(study: optuna.Study) -> list[CandidateRecord]:
    """Return the candidates that have a verdict, in the order of generation and index.

    A candidate that was tried twice, because a worker died or was late, appears once: its first verdict counts.
    """
    records: dict[tuple[int, int], CandidateRecord] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        record = _read(trial)
        if record is not None:
            records.setdefault((record.generation, record.index), record)
    return [records[slot] for slot in sorted(records)]


def _read(trial: FrozenTrial) -> CandidateRecord | None:
    attributes = trial.user_attrs
    if "generation" not in attributes:
        return None
    training = attributes.get("training", {})
    return CandidateRecord(
        trial=trial.number,
        generation=attributes["generation"],
        index=attributes["index"],
        metric=trial.value,
        parameters=dict(trial.params),
        formula=attributes.get("formula", ""),
        status=training.get("status", ""),
        reason=training.get("reason", ""),
        seconds=training.get("seconds", 0.0),
        theory=attributes.get("theory", {}),
    )


def summarize_generations(candidates: Sequence[CandidateRecord], monitor: Monitor) -> list[GenerationSummary]:
    """Summarise every generation that has a candidate, in order."""
    generations: dict[int, list[CandidateRecord]] = {}
    for candidate in candidates:
        generations.setdefault(candidate.generation, []).append(candidate)
    return [_summarize(generation, members, monitor) for generation, members in sorted(generations.items())]


def _summarize(generation: int, members: Sequence[CandidateRecord], monitor: Monitor) -> GenerationSummary:
    scores = [monitor.to_score(member.metric) for member in members if member.metric is not None]
    violated = sum(member.status == VIOLATED for member in members)
    return GenerationSummary(
        generation=generation,
        best=monitor.to_metric(max(scores)) if scores else None,
        median=monitor.to_metric(statistics.median(scores)) if scores else None,
        trained=len(members) - violated,
        violated=violated,
        size=len(members),
        seconds=sum(member.seconds for member in members),
    )


VIOLATED = "violated"
"""The status of a candidate that the invariant stopped before training."""
