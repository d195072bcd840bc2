"""Settings of all verbs: one check at both doors, one explanation of every option."""

import dataclasses
import inspect
import re
from typing import Any, Literal, get_args, get_origin

import pytest

from glo_lightning.checked import hints_of, limits_of
from glo_lightning.cli.explained import explanations
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.cli.verb import Verb
from glo_lightning.compare.command import COMPARE
from glo_lightning.errors import SettingsError
from glo_lightning.landscape.command import LANDSCAPE
from glo_lightning.robustness.command import ROBUSTNESS
from glo_lightning.search import LossSearch
from glo_lightning.search.command import SEARCH
from glo_lightning.search.settings import SearchSettings
from glo_lightning.train.command import TRAIN

VERBS: tuple[Verb[Any], ...] = (SEARCH, TRAIN, COMPARE, ROBUSTNESS, LANDSCAPE)


def _element(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is tuple else hint


CHOICES = [
    (verb, name, hint) for verb in VERBS for name, hint in hints_of(verb.settings).items()
    if get_origin(_element(hint)) is Literal
]  # fmt: skip


def test_the_choices_of_all_verbs_are_found() -> None:
    assert len(CHOICES) > 20


@pytest.mark.parametrize(("verb", "name", "hint"), CHOICES, ids=lambda each: getattr(each, "section", str(each)))
def test_both_doors_refuse_the_same_words_with_the_same_cure(verb: Verb[Any], name: str, hint: Any) -> None:
    choices = get_args(_element(hint))
    several = _element(hint) is not hint
    typo = f"{choices[0]}x" if isinstance(choices[0], str) else "3"
    wrong: Any = typo if isinstance(choices[0], str) else 3
    with pytest.raises(SettingsError) as in_python:
        verb.settings(**{name: [wrong] if several else wrong})
    with pytest.raises(SettingsError) as on_the_command_line:
        TaskCLI(verb, [f"--{verb.section}.{name}={f'[{typo}]' if several else typo}"])
    option = f"--{verb.section}.{name}"
    assert in_python.value.expected == f"{name} out of {', '.join(map(str, choices))}"
    assert on_the_command_line.value.expected == in_python.value.expected.replace(name, option, 1)
    assert on_the_command_line.value.got == in_python.value.got
    assert option in on_the_command_line.value.cure
    assert option not in in_python.value.cure
    for choice in choices:
        verb.settings.fitted(name, [choice] if several else choice)
    if isinstance(choices[0], str) and len(choices[0]) > 1:
        cure = re.search(r"Did you mean (\w+)=(.*)\?", in_python.value.cure)
        assert cure is not None
        assert str(choices[0]) in cure[2]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("generations", "many", "many"), ("generations", "1.5", 1.5), ("generations", "0", 0),
        ("generations", "9" * 400, int("9" * 400)), ("generations", "true", True), ("population_size", "3", 3),
        ("sigma", "0", 0.0), ("sigma", ".nan", float("nan")), ("seed", "-1", -1), ("seed", "4294967296", 2**32),
        ("study_name", "a/b", "a/b"), ("inputs", "y", "y"), ("known", "[[]]", [[]]), ("comparison_seeds", "1", 1),
        ("joint", "{a: 3}", {"a": 3}), ("joint", "[a]", ["a"]),
        ("joint", "{a: {low: 1, high: x}}", {"a": {"low": 1, "high": "x"}}),
    ],
)  # fmt: skip
def test_both_doors_refuse_the_same_values(name: str, text: str, value: Any) -> None:
    with pytest.raises(SettingsError) as in_python:
        LossSearch(**{name: value})
    with pytest.raises(SettingsError) as on_the_command_line:
        TaskCLI(SEARCH, [f"--search.{name}={text}"])
    assert on_the_command_line.value.expected.replace("--search.", "") == in_python.value.expected
    assert on_the_command_line.value.got == in_python.value.got


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("generations", "3", 3), ("sigma", "1", 1), ("sigma", "1e-1", 0.1), ("worst_metric", "-1.5e3", -1500.0),
        ("worst_metric", "null", None), ("inputs", "[y, h, t]", ["y", "h", "t"]), ("study_name", "2024", "2024"),
        ("study_name", "1e3", "1e3"), ("study_name", "on", "on"), ("output_dir", "true", "true"),
        ("storage", "null", None),
        ("storage", "sqlite:///a b.db", "sqlite:///a b.db"), ("tasks", "[1.yaml, 2.yaml]", ["1.yaml", "2.yaml"]),
        ("joint", "{model.lr: {low: 1e-3, high: 1, log: true}}", {"model.lr": {"low": 1e-3, "high": 1, "log": True}}),
        ("mode", "null", "max"),
    ],
)  # fmt: skip
def test_both_doors_read_the_same_values(name: str, text: str, value: Any, tmp_path: Any) -> None:
    settings = TaskCLI(SEARCH, [f"--search.{name}={text}"]).settings()
    assert settings == SearchSettings(**{name: value})
    saved = tmp_path / "config.yaml"
    saved.write_text(TaskCLI(SEARCH, [f"--search.{name}={text}"]).whole_configuration())
    assert TaskCLI(SEARCH, ["--config", str(saved)]).settings() == settings


def test_settings_that_contradict_each_other_are_called_as_the_user_called_them() -> None:
    with pytest.raises(SettingsError, match=r"^Expected abort_epoch together with abort_below"):
        LossSearch(abort_below=0.5)
    with pytest.raises(SettingsError, match=r"^Expected --search.abort_epoch together with --search.abort_below"):
        TaskCLI(SEARCH, ["--search.abort_below=0.5"]).settings()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.section)
def test_every_option_is_explained_once_and_read_by_everybody(verb: Verb[Any]) -> None:
    explained = explanations(verb.settings)
    help_, doc = " ".join(verb.quick_help().split()), " ".join(inspect.getdoc(verb.settings).split())  # type: ignore[union-attr]
    for field in dataclasses.fields(verb.settings):
        text = explained[field.name]
        assert text
        assert f"--{verb.section}.{field.name} " in help_
        assert text.split(": ")[0].split("-")[0] in help_
        assert f"{field.name}: {text}" in doc
    assert set(explained) == {field.name for field in dataclasses.fields(verb.settings)}


def test_a_search_from_python_explains_itself_without_a_second_copy() -> None:
    assert explanations(LossSearch) == explanations(SearchSettings)
    source = inspect.getsource(LossSearch)
    assert "on_violation" not in source
    assert "Args:" in (LossSearch.__doc__ or "").partition("Example:")[0]


def test_the_help_of_a_search_has_sections() -> None:
    printed = SEARCH.quick_help()
    sections = re.findall(r"^(\w[^\n]*):$", printed, re.MULTILINE)
    assert sections == [
        "what is searched",
        "how long",
        "how it is scored",
        "the verdict",
        "before a search",
        "where it runs",
    ]
    assert all(limits_of(field).section in sections for field in dataclasses.fields(SearchSettings))
    assert "[--search." not in printed.partition("what is")[0].replace("[--search.*", "")
    assert "(type: a whole number, default: 5)" in " ".join(printed.split())
