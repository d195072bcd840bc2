"""Comparisons against SciPy and against cases decided by hand."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from glo_lightning.compare.comparison import Comparison, compare_losses, compare_metrics
from glo_lightning.compare.statistics import holm
from glo_lightning.errors import StudyError
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
    assert comparison.against("found", "cross-entropy") == comparison.result("found")
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


def good(run: Run) -> Evaluation:
    return Evaluation(0.5 + run.seed / 100, Status.COMPLETED)


def diverged(run: Run) -> Evaluation:
    return Evaluation(0.0, Status.DIVERGED, "not finite at step 2")


def _train(evaluate: Callable[[Run], Evaluation]) -> Comparison:
    class Evaluating:
        def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
            return [evaluate(run) for run in runs]

    losses = {"cross-entropy": CrossEntropyLoss(), "found": MeanSquaredErrorLoss()}
    return compare_losses(losses, Evaluating(), Monitor(), SEEDS)


def test_where_everything_diverged_nothing_is_claimed() -> None:
    with pytest.raises(StudyError, match="8 that all diverged, most of them: not finite at step 2"):
        _train(diverged)


def test_a_crash_says_nothing_about_a_loss() -> None:
    def crash_once(run: Run) -> Evaluation:
        crashes = run.seed == SEEDS[0] and run.loss.family == "cross_entropy"
        return Evaluation(0.0, Status.FAILED, "no memory") if crashes else Evaluation(0.5, Status.COMPLETED)

    with pytest.raises(StudyError, match="1 of 8 that crashed, most of them: no memory"):
        _train(crash_once)


def test_a_loss_that_always_diverges_is_compared_with_nothing() -> None:
    comparison = _train(lambda run: diverged(run) if run.loss.family == "cross_entropy" else good(run))
    baseline, found = comparison.results
    assert (baseline.is_measured, baseline.num_diverged, found.is_measured) == (False, 4, True)
    assert (found.difference, found.p_value, found.adjusted_p, found.effect_size) == (None,) * 4
    assert not comparison.beats("found")
    assert not comparison.beats("cross-entropy", "found")


def test_some_divergences_count_with_the_worst_metric() -> None:
    comparison = _train(lambda run: diverged(run) if run.loss.family != "cross_entropy" and run.seed < 6 else good(run))
    found = comparison.result("found")
    assert found.metrics == (0.0, 0.0, 0.58, 0.63)
    assert found.divergences == ("not finite at step 2", "not finite at step 2", "", "")
    assert found.mean == pytest.approx(1.21 / 4)
    assert found.p_value == pytest.approx(
        stats.ttest_ind(found.metrics, comparison.results[0].metrics, equal_var=False)[1]
    )


METRICS = {
    "cross-entropy": (0.90, 0.91, 0.93, 0.89),
    "a": (0.95, 0.94, 0.97, 0.96),
    "b": (0.93, 0.92, 0.95, 0.91),
}


def test_p_values_are_adjusted_for_the_losses_that_share_a_baseline() -> None:
    comparison = compare_metrics(METRICS, Monitor(), SEEDS)
    results = comparison.results
    assert (results[0].adjusted_p, results[0].effect_size) == (None, None)
    assert [result.adjusted_p for result in results[1:]] == pytest.approx([2 * results[1].p_value, results[2].p_value])
    assert results[1].effect_size > results[2].effect_size > 0.0
    assert Comparison.from_dict(comparison.to_dict()) == comparison


def test_all_are_tested_against_the_loss_in_focus_and_p_is_adjusted_for_all_rows() -> None:
    comparison = compare_metrics(METRICS, Monitor(), SEEDS, focus="b")
    pairs = [("b", "cross-entropy"), ("b", "a")]
    raw = [stats.ttest_ind(METRICS[name], METRICS[other], equal_var=False).pvalue for name, other in pairs]
    by_pairs = [stats.ttest_rel(METRICS[name], METRICS[other]).pvalue for name, other in pairs]
    for (name, other), adjusted, paired in zip(pairs, holm(raw), holm(by_pairs), strict=True):
        there, back = comparison.against(name, other), comparison.against(other, name)
        assert there.adjusted_p == back.adjusted_p == pytest.approx(adjusted)
        assert there.paired_p == back.paired_p == pytest.approx(paired)
        assert there.difference == -back.difference
        assert comparison.beats(name, other) == (adjusted < 0.05 and there.difference > 0.0)
    assert comparison.result("a") == comparison.against("a", "b")
    assert comparison.result("b").difference is None
    assert not comparison.beats("a", "a")


def test_pairs_that_the_comparison_does_not_tell_are_adjusted_for_all_pairs() -> None:
    comparison = compare_metrics(METRICS, Monitor(), SEEDS)
    pairs = list(combinations(METRICS, 2))
    adjusted = holm([stats.ttest_ind(METRICS[a], METRICS[b], equal_var=False).pvalue for a, b in pairs])
    assert comparison.against("a", "b").adjusted_p == pytest.approx(adjusted[pairs.index(("a", "b"))])


@pytest.mark.parametrize(("mode", "strongest"), [("max", "a"), ("min", "cross-entropy")])
def test_the_strongest_rival_has_the_best_mean_of_those_that_trained(mode: str, strongest: str) -> None:
    comparison = compare_metrics(METRICS, Monitor("metric", mode), SEEDS, focus="b")
    assert comparison.strongest == strongest
    always = {strongest: ("at step 4",) * 4}
    others = compare_metrics(METRICS, Monitor("metric", mode), SEEDS, focus="b", divergences=always)
    assert {others.strongest, strongest} == {"a", "cross-entropy"}


@pytest.mark.parametrize(
    ("monitor", "split", "title"),
    [
        ("val_accuracy", "test", "accuracy on the test split"),
        ("valid/f1", "test", "f1 on the test split"),
        ("accuracy_val", "test", "accuracy on the test split"),
        ("validation", "test", "validation on the test split"),
        ("interval", "test", "interval on the test split"),
        ("val_loss", "val", "loss on the validation split"),
        ("val_loss relative to cross-entropy", "test", "loss relative to cross-entropy on the test split"),
    ],
)
def test_the_title_names_what_was_measured(monitor: str, split: str, title: str) -> None:
    assert compare_metrics(METRICS, Monitor(monitor), SEEDS, split).title == title
