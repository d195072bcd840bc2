"""Compare losses by full trainings on the test split, with spread and p-values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from glo_lightning.compare.statistics import hedges_g, holm, welch
from glo_lightning.losses import Loss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status
from glo_lightning.training.task import Hyperparameters


@dataclass(frozen=True)
class LossResult:
    """One loss's full trainings.

    Args:
        name: how the table calls the loss.
        metrics: the test metric of each seed, in the order of the seeds.
        num_diverged: trainings that diverged; they count with the worst metric.
        mean: mean of the metrics.
        std: sample standard deviation (n - 1).
        difference: mean minus the baseline's mean; None for the baseline.
        low, high: 95% confidence interval of the difference (Welch); None for the baseline.
        p_value: two-sided Welch's t-test against the baseline; None for the baseline.
        adjusted_p: the same, adjusted by Holm's method for all losses that are compared with the baseline.
        effect_size: the difference in standard deviations (Hedges' g); None for the baseline, or without any spread.
    """

    name: str
    metrics: tuple[float, ...]
    num_diverged: int
    mean: float
    std: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    effect_size: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Losses side by side, each against the first.

    Args:
        monitor: the metric and which way is up.
        split: the data the metric was measured on.
        seeds: the seeds every loss was trained with.
        epochs: epochs of each training.
        results: one per loss, the baseline first.
    """

    monitor: Monitor
    split: str
    seeds: tuple[int, ...]
    epochs: int | None
    results: tuple[LossResult, ...]

    def result(self, name: str) -> LossResult:
        """Return the result of the loss called ``name``."""
        return next(result for result in self.results if result.name == name)

    def against(self, name: str, reference: str) -> LossResult:
        """Return the result of a loss with another than the baseline as its reference, its p-value not adjusted."""
        result = self.result(name)
        return _result(name, result.metrics, result.num_diverged, self.result(reference).metrics)

    def beats(self, name: str, significance: float = 0.05) -> bool:
        """Whether a loss is better than the baseline with p below ``significance``."""
        result = self.result(name)
        if result.difference is None or result.p_value is None:
            return False
        return self.monitor.gain(result.difference, over=0.0) > 0.0 and result.p_value < significance

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Comparison":
        """Read what :meth:`to_dict` returned."""
        results = tuple(LossResult(**{**each, "metrics": tuple(each["metrics"])}) for each in stored["results"])
        return cls(
            **{
                **stored,
                "monitor": Monitor(**stored["monitor"]),
                "seeds": tuple(stored["seeds"]),
                "results": results,
            }
        )


def compare_losses(
    losses: Mapping[str, Loss],
    evaluator: Evaluator,
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
    hyperparameters: Mapping[str, Hyperparameters] | None = None,
) -> Comparison:
    """Train every loss with every seed and compare each with the first.

    Args:
        losses: names and losses, the baseline first.
        evaluator: trains and scores; opens the split it was built for.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what the evaluator scores on, for the record.
        epochs: epochs of each training, for the record.
        hyperparameters: of the model with some of the losses, by the loss's name; with all others as configured.

    Returns:
        The comparison.
    """
    evaluations = train_losses(losses, evaluator, seeds, hyperparameters)
    return compare_evaluations(evaluations, monitor, seeds, split, epochs)


def train_losses(
    losses: Mapping[str, Loss],
    evaluator: Evaluator,
    seeds: Sequence[int],
    hyperparameters: Mapping[str, Hyperparameters] | None = None,
) -> dict[str, list[Evaluation]]:
    """Train every loss with every seed, and return the evaluations by the names of the losses.

    Args:
        losses: by their names.
        evaluator: trains and scores.
        seeds: the same for every loss.
        hyperparameters: as :func:`compare_losses` takes them.
    """
    own = hyperparameters or {}
    runs = [Run(loss, seed, hyperparameters=own.get(name, {})) for name, loss in losses.items() for seed in seeds]
    evaluations = iter(evaluator.evaluate(runs))
    return {name: [next(evaluations) for _ in seeds] for name in losses}


def compare_evaluations(
    evaluations: Mapping[str, Sequence[Evaluation]],
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
) -> Comparison:
    """Compare finished trainings, each loss with the first.

    Args:
        evaluations: by the names of the losses, the baseline first; one per seed.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what was scored, for the record.
        epochs: epochs of each training, for the record.
    """
    metrics = [tuple(evaluation.metric for evaluation in own) for own in evaluations.values()]
    diverged = [sum(evaluation.status is Status.DIVERGED for evaluation in own) for own in evaluations.values()]
    return compare_metrics(list(evaluations), metrics, diverged, monitor, seeds, split, epochs)


def compare_metrics(
    names: Sequence[str],
    metrics: Sequence[tuple[float, ...]],
    diverged: Sequence[int],
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
) -> Comparison:
    """Compare the metrics of finished trainings, each loss with the first.

    Args:
        names: of the losses, the baseline first.
        metrics: of every loss, one per seed.
        diverged: how many trainings of every loss diverged.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what was scored, for the record.
        epochs: epochs of each training, for the record.

    Returns:
        The comparison.
    """
    references = [None, *[metrics[0]] * (len(names) - 1)]
    results = tuple(map(_result, names, metrics, diverged, references))
    return Comparison(monitor, split, tuple(seeds), epochs, _adjusted(results))


def divergence_sentences(comparison: Comparison) -> list[str]:
    """Say of which losses some trainings diverged, because that decides their means."""
    worst = comparison.monitor.worst_metric
    return [
        f"{result.name}: {result.num_diverged} of {len(result.metrics)} trainings diverged, and count with the worst "
        f"metric, {worst:g}."
        for result in comparison.results
        if result.num_diverged
    ]


def _result(name: str, metrics: tuple[float, ...], diverged: int, reference: tuple[float, ...] | None) -> LossResult:
    mean, std = float(np.mean(metrics)), float(np.std(metrics, ddof=1))
    result = LossResult(name, metrics, diverged, mean, std)
    if reference is None:
        return result
    low, high, p_value = welch(metrics, reference)
    return replace(
        result,
        difference=mean - float(np.mean(reference)),
        low=low,
        high=high,
        p_value=p_value,
        effect_size=hedges_g(metrics, reference),
    )


def _adjusted(results: tuple[LossResult, ...]) -> tuple[LossResult, ...]:
    baseline, *others = results
    adjusted = holm([result.p_value for result in others if result.p_value is not None])
    return baseline, *(replace(result, adjusted_p=p_value) for result, p_value in zip(others, adjusted, strict=True))
