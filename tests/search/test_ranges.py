"""Ranges refuse what cannot be searched."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.errors import SettingsError
from glo_lightning.search import Range
from glo_lightning.search.settings import SearchSettings

NAME = "model.learning_rate"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"low": 1.0, "high": 1.0}, "low below high"),
        ({"low": 2.0, "high": 1.0}, "low below high"),
        ({"low": 0.0, "high": math.inf}, "high as a number"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low above 0"),
        ({"low": -1.0, "high": 1.0, "log": True}, "low above 0"),
        ({"low": 0.0, "high": 1.0, "scale": 0.0}, "scale above 0"),
        ({"low": 0.0}, "a range for"),
        ({"low": 0.0, "high": 1.0, "step": 0.1}, "a range for"),
        ({"low": "a", "high": "b"}, "low as a number"),
        (0.1, "a range for"),
    ],
)
def test_bad_ranges_are_refused_by_name(given: Any, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        SearchSettings(joint={NAME: given})
    assert NAME in str(caught.value)
    assert caught.value.cure.endswith((".", "}."))


def test_ranges_may_be_written_as_json_has_them() -> None:
    assert SearchSettings(joint={NAME: {"low": 1.0, "high": 2.0}}) == SearchSettings(joint={NAME: Range(1.0, 2.0)})  # type: ignore[dict-item]


@given(st.floats(1e-9, 1e3), st.floats(1.001, 1e6))
def test_a_unit_is_a_quarter_of_the_range(low: float, ratio: float) -> None:
    assert Range(low, low * ratio).unit == pytest.approx(low * (ratio - 1.0) / 4.0, rel=1e-6)
    assert Range(low, low * ratio, log=True).unit == pytest.approx(math.log(ratio) / 4.0, rel=1e-6)
    assert Range(low, low * ratio, scale=3.0).unit == 3.0


def test_trees_are_searched_without() -> None:
    with pytest.raises(SettingsError, match="no joint with family='glo'"):
        SearchSettings(family="glo", joint={NAME: Range(0.1, 1.0)})
