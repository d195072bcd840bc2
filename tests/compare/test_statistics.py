"""The statistics against published examples and other libraries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from glo_lightning.compare.statistics import detectable_difference, hedges_g, holm, mean_interval, paired, welch

PROBABILITIES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def test_holm_agrees_with_r_as_statsmodels_tests_quote_it() -> None:
    p_values = [0.838541367553, 0.642193923795, 0.680845947633, 0.967833824309, 0.71626938238, 0.177096952723,
                5.23656777208e-05, 0.0202732688798, 0.00028140506198, 0.0149877310796]  # fmt: skip
    expected = [1.0] * 6 + [5.23656777208e-04, 1.41912882158e-01, 2.53264555782e-03, 1.199018486368e-01]
    assert holm(p_values) == pytest.approx(expected, rel=1e-9)


@given(PROBABILITIES)
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = np.array(holm(p_values))
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0.0).all()
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(1.0, np.array(p_values) * len(p_values))).all()


def test_hedges_g_of_a_textbook_example() -> None:
    # Borenstein et al., Introduction to Meta-Analysis, chapter 4: means 103 and 100, deviations 5.5 and 4.5, n = 50.
    shape = stats.zscore(np.arange(50.0), ddof=1)
    assert hedges_g(103.0 + 5.5 * shape, 100.0 + 4.5 * shape) == pytest.approx(0.5924, abs=5e-5)


def test_hedges_correction_is_close_to_the_exact_one() -> None:
    sample, reference = [1.0, 2.0, 4.0], [0.0, 0.5, 2.0]
    pooled = math.sqrt((np.var(sample, ddof=1) + np.var(reference, ddof=1)) / 2.0)
    exact = math.gamma(2.0) / (math.sqrt(2.0) * math.gamma(1.5))
    assert hedges_g(sample, reference) == pytest.approx(exact * 1.5 / pooled, rel=5e-3)


@pytest.mark.filterwarnings("error")
def test_samples_without_any_spread_are_decided() -> None:
    assert welch([0.5, 0.5], [0.5, 0.5]) == (0.0, 0.0, 1.0)
    assert welch([0.75, 0.75], [0.5, 0.5]) == (0.25, 0.25, 0.0)
    assert welch([0.5, 0.5], [0.25, 0.75])[2] == 1.0
    assert hedges_g([0.5, 0.5], [0.5, 0.5]) is None
    assert hedges_g([0.1] * 3, [0.0] * 3) is None
    assert welch([0.1] * 3, [0.0] * 3) == (0.1, 0.1, 0.0)
    assert paired([0.5, 0.5], [0.5, 0.5]) == 1.0
    assert paired([0.5, 0.75], [0.25, 0.5]) == 0.0
    assert paired([0.1, 0.3, 0.2], [0.2, 0.4, 0.3]) == 0.0  # differences that rounding alone spreads
    assert paired([0.1 + 0.2, 0.5], [0.3, 0.5]) == 1.0
    assert detectable_difference([0.5, 0.5], [0.25, 0.25]) == 0.0


def test_pairs_are_scipys_and_what_they_share_cancels() -> None:
    sample, reference = np.array([0.91, 0.83, 0.70, 0.95]), np.array([0.90, 0.80, 0.69, 0.93])
    assert paired(sample, reference) == pytest.approx(stats.ttest_rel(sample, reference).pvalue)
    shared = np.array([0.0, -5.0, 3.0, 8.0])
    assert paired(sample + shared, reference + shared) == pytest.approx(paired(sample, reference))


@pytest.mark.parametrize("tests", [1, 5])
def test_a_detectable_difference_is_found_four_times_in_five(tests: int) -> None:
    rng, std = np.random.default_rng(0), np.array([0.02, 0.03])
    # Samples with exactly these spreads tell the difference; of others with these spreads in truth, count the tests.
    shape = stats.zscore(np.arange(10.0), ddof=1)
    difference = detectable_difference(std[0] * shape, std[1] * shape, tests)
    first = rng.normal(difference, std[0], (20_000, 10))
    second = rng.normal(0.0, std[1], (20_000, 10))
    p_values = stats.ttest_ind(first, second, equal_var=False, axis=1).pvalue
    assert np.mean(p_values < 0.05 / tests) == pytest.approx(0.8, abs=0.03)


def test_the_interval_of_the_mean_is_scipys() -> None:
    sample = [0.91, 0.93, 0.90, 0.95]
    interval = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
    assert mean_interval(sample) == pytest.approx((interval.low, interval.high))
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5)
