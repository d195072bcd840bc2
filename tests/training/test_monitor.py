"""Which of two metrics is better, in both directions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.errors import SettingsError
from glo_lightning.training.monitor import Monitor

METRICS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(metrics=st.lists(METRICS, min_size=1), mode=st.sampled_from(["max", "min"]))
def test_best_first_is_largest_first_or_smallest_first(metrics: list[float], mode: Any) -> None:
    monitor = Monitor("metric", mode)
    ordered = sorted(metrics, key=monitor.rank_key)
    assert ordered == sorted(metrics, reverse=mode == "max")
    assert monitor.best(metrics) == ordered[0]


@given(metric=METRICS, other=METRICS)
def test_a_gain_is_positive_for_the_better_one_alone(metric: float, other: float) -> None:
    for monitor, higher in ((Monitor("metric", "max"), True), (Monitor("metric", "min"), False)):
        better = metric > other if higher else metric < other
        assert monitor.is_better(metric, than=other) == better == (monitor.gain(metric, over=other) > 0.0)
        assert monitor.gain(metric, over=other) == -monitor.gain(other, over=metric)


def test_the_worst_metric_is_as_given_or_a_default_by_direction() -> None:
    assert Monitor().worst_metric == 0.0
    assert Monitor("val_loss", "min").worst_metric == 1e6
    assert Monitor("val_loss", "min", worst=7).worst_metric == 7


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": " "},
        {"name": None},
        {"mode": "maximize"},
        {"mode": None},
        {"mode": ["max"]},
        {"worst": float("nan")},
        {"worst": float("inf")},
        {"worst": "0"},
        {"worst": True},
    ],
)
def test_whatever_is_no_metric_is_refused_with_a_cure(arguments: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        Monitor(**arguments)
    assert repr(next(iter(arguments.values()))) == caught.value.got
    assert caught.value.cure.endswith((".", "?"))
