"""A few lines of YAML cannot take the machine down."""

import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.safe_yaml import MAX_LENGTH, read_yaml, read_yaml_file, write_yaml


def _laughs(levels: int = 9, width: int = 9) -> str:
    lines = [f"a0: &a0 [{', '.join(['lol'] * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "itself": "search: &a {b: *a}",
    "a list in itself": "search: &a [*a]",
    "a key in itself": "&a {? *a : 1}",
    "laughs": _laughs(),
    "a chain of aliases": "a0: &a0 [1]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(500)),
    "flow levels": "search: " + "[" * 90_000,
    "closed levels": "search: " + "[" * 200 + "]" * 200,
    "block levels": "- " * 90_000 + "x",
    "digits": "search: {generations: " + "9" * 5_000 + "}",
    "characters": "search: {study_name: " + "x" * MAX_LENGTH + "}",
    "values": "search: {known: [" + "1," * 90_000 + "]}",
    "an object": "search: !!python/object/apply:os.getcwd []",
    "control characters": "search: \x00",
    "two documents": "a: 1\n---\nb: 2\n",
    "no YAML": "search: [}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once_and_in_little_memory(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(GloError) as caught:
        read_yaml(BOMBS[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    assert len(str(caught.value)) < 400


def test_files_are_refused_by_name_before_they_are_read(tmp_path: Path) -> None:
    (huge := tmp_path / "huge.yaml").touch()
    with huge.open("r+b") as file:
        file.truncate(100_000_000)  # takes no space on disk
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    for name in ("huge.yaml", "bytes.yaml", "missing.yaml"):
        with pytest.raises(SettingsError, match=name):
            read_yaml_file(tmp_path / name)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
@example({"\x85": "a\u2028b\x85"})
def test_what_was_written_is_read_back(value: object) -> None:
    assert read_yaml(write_yaml(value)) == value


def test_ordinary_anchors_work() -> None:
    assert read_yaml("2024-13-45") == "2024-13-45", "dates are text"
    text = "base: &b {x: 1, y: [1, 2]}\nown: {<<: *b, x: 3}\nlist: [*b, *b]\n"
    assert read_yaml(text) == yaml.safe_load(text)
