"""Dataclasses are what their annotations say, or are not made."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.checked import LARGEST, Checked, nearest, setting
from glo_lightning.errors import SettingsError


@dataclass(frozen=True)
class Oven(Checked):
    mode: Literal["bake", "grill"] = "bake"
    level: Literal[1, 2] = 1
    minutes: int = setting(10, at_least=1)
    pause: int = setting(0, at_least=5, off=0)
    heat: float = setting(180.0, above=0, at_most=250)
    fan: bool = False
    limit: float | None = None
    shares: tuple[float, ...] = setting((), above=0, at_most=1)
    cakes: tuple[Literal["plum", "apple"], ...] = ("plum",)
    folder: str | Path | None = None
    name: str = setting("oven", names_folder=True)
    sizes: dict[str, float] = setting({})


GOOD = [
    ("minutes", np.int64(3), 3), ("heat", 200, 200.0), ("heat", np.float32(0.5), 0.5), ("limit", 1, 1.0),
    ("limit", None, None), ("pause", 0, 0), ("pause", 5, 5), ("shares", [1, 0.5], (1.0, 0.5)),
    ("cakes", ["apple", "plum"], ("apple", "plum")), ("cakes", [], ()), ("folder", Path("a"), Path("a")),
    ("folder", "a/b", "a/b"), ("sizes", {"a": 1}, {"a": 1.0}), ("level", 2, 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_what_fits_is_kept_as_annotated(name: str, value: Any, kept: Any) -> None:
    found = getattr(Oven(**{name: value}), name)
    assert found == kept
    assert type(found) is type(kept)


HUGE = 10**6000
"""Python refuses to write it down."""

BAD = [
    ("mode", "gril", "out of bake, grill", "mode='grill'?"), ("mode", "GRILL", "out of", "mode='grill'?"),
    ("mode", None, "out of", "mode='bake'."), ("mode", True, "out of", "mode='bake'."),
    ("level", True, "out of 1, 2", "level=1."), ("level", 3, "out of 1, 2", "level=1."),
    ("level", 1.5, "out of 1, 2", "level=1."),
    ("minutes", 0, "of 1 or more", "minutes=10."), ("minutes", True, "a whole number", "minutes=10."),
    ("minutes", 3.0, "a whole number", "minutes=10."), ("minutes", "3", "a whole number", "minutes=10."),
    ("minutes", None, "a whole number", "minutes=10."), ("minutes", LARGEST, "below 2^63", "minutes=10."),
    ("minutes", HUGE, "below 2^63", "minutes=10."), ("pause", 3, "of 5 or more, or 0", "pause=0."),
    ("heat", 0.0, "above 0 to 250", "heat=180.0."), ("heat", 251, "above 0 to 250", "heat=180.0."),
    ("heat", float("nan"), "a number", "heat=180.0."), ("heat", float("inf"), "a number", "heat=180.0."),
    ("heat", HUGE, "a number", "heat=180.0."), ("heat", True, "a number", "heat=180.0."),
    ("fan", 1, "true or false", "fan=False."), ("fan", "yes", "true or false", "fan=False."),
    ("limit", "x", "a number", "Leave limit out."), ("shares", [0.5, 0], "above 0 to 1", "Leave shares out."),
    ("shares", 0.5, "a list of a number", "Leave shares out."),
    ("cakes", "plum", "a list of plum, apple", "cakes=('plum',)."),
    ("cakes", ["plum", "aple"], "out of plum, apple", "cakes=['plum', 'apple']?"),
    ("folder", 3, "text or a path", "Leave folder out."), ("name", "", "without slashes", "name='oven'."),
    ("name", "a/b", "without slashes", "name='oven'."), ("name", "..", "without slashes", "name='oven'."),
    ("name", "a\0b", "without slashes", "name='oven'."), ("sizes", {1: 2.0}, "text", "Leave sizes out."),
    ("sizes", {"a": "b"}, "a number", "Leave sizes out."), ("sizes", 3, "names with values", "Leave sizes out."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "expected", "cure"), BAD, ids=[f"{each[0]} {n}" for n, each in enumerate(BAD)]
)
def test_what_does_not_fit_is_refused_with_a_cure(name: str, value: Any, expected: str, cure: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Oven(**{name: value})
    assert caught.value.expected.startswith(f"{name} ")
    assert expected in caught.value.expected
    assert caught.value.cure.endswith(cure)


@given(
    st.text()
    | st.binary()
    | st.integers()
    | st.floats()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.none())
)
def test_any_value_is_taken_or_refused(value: Any) -> None:
    for name in Oven.__dataclass_fields__:
        with suppress(SettingsError):
            Oven(**{name: value})


def test_a_refusal_is_short_however_much_was_given() -> None:
    nested: Any = []
    for _ in range(30):
        nested = [nested] * 9
    for value in (nested, "x" * 10**7, [10**6000]):
        with pytest.raises(SettingsError) as caught:
            Oven(minutes=value)
        assert len(str(caught.value)) < 500


def test_the_nearest_word_is_meant() -> None:
    assert nearest("minimise", ("max", "min")) == "min"
    assert nearest("Hyper-Band", ("median", "hyperband")) == "hyperband"
    assert nearest("", ("max", "min")) is None
    assert nearest("zebra", ("max", "min")) is None
