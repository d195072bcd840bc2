"""The statistics of a comparison: what a difference between two samples is worth."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

POWER = 0.8
"""Probability of being found that a difference has which counts as detectable."""


def welch(sample: Sequence[float], reference: Sequence[float]) -> tuple[float, float, float]:
    """Test whether two samples have the same mean, whatever their spreads (Welch's t-test, two-sided).

    Args:
        sample: two or more values.
        reference: two or more values.

    Returns:
        The ends of the 95% confidence interval of the difference of the means, and the p-value.
    """
    if _is_constant(sample) and _is_constant(reference):
        # The test is undefined without any spread: equal means agree, different means certainly differ.
        difference = float(sample[0] - reference[0])
        return difference, difference, 0.0 if difference else 1.0
    with warnings.catch_warnings():
        # One sample without any spread is no harm.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        test = stats.ttest_ind(sample, reference, equal_var=False)
    interval = test.confidence_interval(0.95)
    return float(interval.low), float(interval.high), float(test.pvalue)


def paired(sample: Sequence[float], reference: Sequence[float]) -> float:
    """Test whether values that belong together in pairs differ on average (paired t-test, two-sided).

    What the two of a pair have in common, such as a seed, cancels.

    Args:
        sample: two or more values.
        reference: as many, in the same order.

    Returns:
        The p-value.
    """
    differences = np.subtract(sample, reference)
    rounding = 4.0 * np.finfo(float).eps * np.max(np.abs([sample, reference]))
    if np.ptp(differences) <= rounding:
        return 0.0 if abs(differences[0]) > rounding else 1.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        return float(stats.ttest_rel(sample, reference).pvalue)


def detectable_difference(sample: Sequence[float], reference: Sequence[float], tests: int = 1) -> float:
    r"""Return the difference of two means that Welch's test would find four times in five, given their spreads.

    .. math:: \delta = (t_{1 - \alpha / 2m} + t_{0.8}) \sqrt{s_1^2 / n_1 + s_2^2 / n_2}

    with alpha = 0.05, m tests that share it, and t of Welch's degrees of freedom.

    Args:
        sample: two or more values.
        reference: two or more values.
        tests: m, 1 or more.

    Example:
        >>> round(detectable_difference([0.90, 0.92, 0.91], [0.93, 0.95, 0.94]), 4)
        0.0304

    Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2.
    """
    first, second = (np.var(each, ddof=1) / len(each) for each in (sample, reference))
    if not first + second:
        return 0.0
    freedom = (first + second) ** 2 / (first**2 / (len(sample) - 1) + second**2 / (len(reference) - 1))
    quantiles = stats.t.ppf([1.0 - 0.025 / tests, POWER], freedom)
    return float(quantiles.sum() * np.sqrt(first + second))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the number of tests (Holm's step-down): under 0.05 they keep all errors together at 5%.

    Args:
        p_values: of tests that belong together, in any order.

    Returns:
        The adjusted p-values, in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def hedges_g(sample: Sequence[float], reference: Sequence[float]) -> float | None:
    """Return the difference of two means in units of their common standard deviation, corrected for small samples.

    Args:
        sample: two or more values.
        reference: two or more values.

    Returns:
        Hedges' g, positive if the sample's mean is larger; None if neither sample has any spread.

    Source: Hedges, "Distribution Theory for Glass's Estimator of Effect Size", Journal of Educational Statistics 6,
        1981.
    """
    if _is_constant(sample) and _is_constant(reference):
        return None
    freedom = len(sample) + len(reference) - 2
    variance = ((len(sample) - 1) * np.var(sample, ddof=1) + (len(reference) - 1) * np.var(reference, ddof=1)) / freedom
    correction = 1.0 - 3.0 / (4.0 * freedom - 1.0)
    return float(correction * (np.mean(sample) - np.mean(reference)) / np.sqrt(variance))


def mean_interval(sample: Sequence[float]) -> tuple[float, float]:
    """Return the 95% confidence interval of the mean of two or more values."""
    mean, error = float(np.mean(sample)), float(stats.sem(sample))
    half = float(stats.t.ppf(0.975, len(sample) - 1)) * error
    return mean - half, mean + half


def _is_constant(sample: Sequence[float]) -> bool:
    """Whether there is no spread; the standard deviation of equal numbers may be off zero by rounding."""
    return max(sample) == min(sample)
