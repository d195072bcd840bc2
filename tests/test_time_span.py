"""Times as people write them, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.errors import SettingsError
from glo_lightning.time_span import read_time_span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("10min", timedelta(minutes=10)),
        (" 1h30min ", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("2 days 1 hour", timedelta(days=2, hours=1)),
        ("1.5h", timedelta(hours=1.5)),
        ("600", timedelta(minutes=10)),
        ("0.5", timedelta(seconds=0.5)),
        ("1:30:00", timedelta(minutes=90)),
        ("01:02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_times_are_read(text: str, expected: timedelta) -> None:
    assert read_time_span(text) == read_time_span(expected) == expected.total_seconds()


@given(st.integers(1, 10**6))
def test_every_way_to_write_a_time_says_the_same(seconds: int) -> None:
    minutes, rest = divmod(seconds, 60)
    hours, left = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    written: list[Any] = [
        seconds, float(seconds), str(seconds), f"{seconds}s", f"{minutes} min {rest} s", f"{hours}h{left}m{rest}s",
        f"{days:02}:{hour:02}:{left:02}:{rest:02}", timedelta(seconds=seconds),
    ]  # fmt: skip
    assert {read_time_span(each) for each in written} == {float(seconds)}


@pytest.mark.parametrize(
    "text",
    ["", "0", "0min", "-5", "-5min", "ten", "5 apples", "10 min 5", "min", "1e3", "1:30", "inf", "9" * 400, -1.0],
)
def test_what_is_no_time_is_refused_with_how_to_write_one(text: Any) -> None:
    with pytest.raises(SettingsError, match="a time such as 90s, 10min or 1h30min"):
        read_time_span(text)
