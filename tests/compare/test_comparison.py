"""Comparisons against SciPy and against cases decided by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from glo_lightning.compare.comparison import Comparison, compare_losses, compare_metrics
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Run, Status

SEEDS = (3, 5, 8, 13)


class Scripted:
    """An evaluator whose metrics are given, one list per loss."""

    def __init__(self, metrics: dict[str, Sequence[float]]) -> None:
        self.metrics = metrics
        self.seeds: list[int] = []

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        self.seeds += [run.seed for run in runs]
        return [
            Evaluation(self.metrics[run.loss.family][SEEDS.index(run.seed)], Status.COMPLETED, seed=run.seed)
            for run in runs
        ]


def _compare(baseline: Sequence[float], other: Sequence[float], mode: str = "max") -> Comparison:
    losses = {"cross-entropy": CrossEntropyLoss(), "found": MeanSquaredErrorLoss()}
    families = [loss.family for loss in losses.values()]
    evaluator = Scripted(dict(zip(families, (baseline, other), strict=True)))
    comparison = compare_losses(losses, evaluator, Monitor("metric", mode), SEEDS)
    assert evaluator.seeds == [*SEEDS, *SEEDS]
    return comparison


@pytest.mark.parametrize("mode", ["max", "min"])
def test_statistics_are_scipys_welch_test(mode: str) -> None:
    baseline, other = [0.90, 0.91, 0.93, 0.89], [0.95, 0.94, 0.97, 0.96]
    result = _compare(baseline, other, mode).result("found")
    welch = stats.ttest_ind(other, baseline, equal_var=False)
    assert result.p_value == pytest.approx(welch.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))
    assert result.mean == pytest.approx(np.mean(other))
    assert result.std == pytest.approx(np.std(other, ddof=1))
    assert result.metrics == pytest.approx(tuple(other))


def test_a_lower_metric_beats_when_lower_is_better() -> None:
    baseline, other = [0.50, 0.52, 0.51, 0.49], [0.40, 0.41, 0.39, 0.42]
    assert _compare(baseline, other, "min").beats("found")
    assert not _compare(baseline, other, "max").beats("found")


def test_any_loss_can_be_the_reference() -> None:
    comparison = _compare([0.90, 0.95, 0.85, 0.99], [0.91, 0.96, 0.86, 0.98])
    assert comparison.against("found", "cross-entropy") == replace(comparison.result("found"), adjusted_p=None)
    assert comparison.against("cross-entropy", "found").difference == pytest.approx(
        -(comparison.result("found").difference or 0.0)
    )


def test_noise_does_not_beat() -> None:
    comparison = _compare([0.90, 0.95, 0.85, 0.99], [0.91, 0.96, 0.86, 0.98])
    assert not comparison.beats("found")
    assert comparison.result("found").p_value > 0.5


@pytest.mark.parametrize(("other", "p_value"), [([0.9] * 4, 1.0), ([0.8] * 4, 0.0)])
def test_without_any_spread_the_means_decide(other: list[float], p_value: float) -> None:
    result = _compare([0.9] * 4, other).result("found")
    assert result.p_value == p_value
    assert result.low == result.high == result.difference


def test_json_round_trip() -> None:
    comparison = _compare([0.90, 0.95, 0.85, 0.99], [0.91, 0.96, 0.86, 0.98])
    assert Comparison.from_dict(comparison.to_dict()) == comparison


def test_diverged_trainings_are_counted_and_keep_their_worst_metric() -> None:
    class Diverging(Scripted):
        def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
            return [Evaluation(0.0, Status.DIVERGED, "NaN", seed=run.seed) for run in runs]

    losses = {"cross-entropy": CrossEntropyLoss(), "found": MeanSquaredErrorLoss()}
    comparison = compare_losses(losses, Diverging({}), Monitor(), SEEDS)
    assert comparison.result("found").num_diverged == len(SEEDS)
    assert comparison.result("found").mean == 0.0


def test_p_values_are_adjusted_for_the_losses_that_share_a_baseline() -> None:
    names, baseline = ["cross-entropy", "a", "b"], (0.90, 0.91, 0.93, 0.89)
    metrics = [baseline, (0.95, 0.94, 0.97, 0.96), (0.93, 0.92, 0.95, 0.91)]
    results = compare_metrics(names, metrics, [0, 0, 0], Monitor(), SEEDS).results
    assert (results[0].adjusted_p, results[0].effect_size) == (None, None)
    assert [result.adjusted_p for result in results[1:]] == pytest.approx([2 * results[1].p_value, results[2].p_value])
    assert results[1].effect_size > results[2].effect_size > 0.0
    assert (
        Comparison.from_dict(compare_metrics(names, metrics, [0, 0, 0], Monitor(), SEEDS).to_dict()).results == results
    )


def test_a_comparison_stored_before_there_were_effect_sizes_is_read() -> None:
    stored = _compare([0.90, 0.91, 0.93, 0.89], [0.95, 0.94, 0.97, 0.96]).to_dict()
    for result in stored["results"]:
        del result["adjusted_p"], result["effect_size"]
    assert Comparison.from_dict(stored).result("found").effect_size is None
