"""Settings refuse what a search could not do, before anything heavy is imported."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.errors import SettingsError
from glo_lightning.search import LossSearch
from glo_lightning.search.settings import SearchSettings, read_settings
from glo_lightning.search.workers.work import searched


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("order", 0), ("generations", 0), ("population_size", 3), ("sigma", 0.0), ("sigma", float("nan")),
        ("comparison_seeds", 1), ("comparison_seeds", -1), ("finalists", 0), ("finalist_seeds", 0), ("threads", 0),
        ("seed", -1), ("study_name", ""), ("study_name", "a/b"), ("comparison_epochs", 0), ("comparison_epochs", -1),
        ("rival_budget", -0.5),
        ("abort_below", 0.5), ("monitor", "val_loss"), ("monitor", "valid/nll"), ("monitor", "val-Error"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_with_expected_got_and_cure(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        SearchSettings(**{name: value})
    assert name in str(caught.value)
    assert caught.value.cure.endswith((".", "?"))


@given(st.integers(1, 9), st.integers(1, 500), st.one_of(st.none(), st.integers(4, 200)), st.floats(1e-6, 1e3))
def test_good_values_are_taken(order: int, generations: int, population_size: int | None, sigma: float) -> None:
    settings = LossSearch(order=order, generations=generations, population_size=population_size, sigma=sigma)
    assert settings.candidates_per_generation == (population_size or 40)


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_loss_gain", "lossless", "val_auroc"])
def test_metrics_of_which_more_may_be_better_are_taken(monitor: str) -> None:
    assert SearchSettings(monitor=monitor).mode == "max"
    assert SearchSettings(monitor="val_loss", mode="min").mode == "min"


def test_population_defaults_follow_the_papers() -> None:
    assert SearchSettings(invariant="none").candidates_per_generation == 20
    assert SearchSettings(invariant="exact").candidates_per_generation == 40


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "canonical"),
        ({"start": "cross_entropy", "class_aware": True}, "canonical"),
        ({"parameters": "theta"}, "theta"),
        ({"invariant": "paper"}, "theta"),
        ({"invariant": "paper", "parameters": "canonical"}, "canonical"),
        ({"order": 1}, "theta"),
        ({"inputs": ("y", "f")}, "theta"),
        ({"family": "taylor", "outputs": "real"}, "theta"),
    ],
)
def test_what_training_can_tell_apart_is_searched_where_it_is_known(asked: dict[str, Any], expected: str) -> None:
    settings = SearchSettings(**asked)
    assert settings.loss_parameters == expected
    assert replace(settings) == settings


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, False),
        ({"outputs": "real"}, False),
        ({"family": "drive"}, True),
        ({"family": "drive", "known_first": False}, False),
        ({"family": "drive", "outputs": "sigmoid"}, False),
        ({"family": "glo"}, False),
    ],
)
def test_known_losses_come_first_where_there_are_some(asked: dict[str, Any], expected: bool) -> None:
    settings = SearchSettings(**asked)
    assert settings.opens_with_known == expected
    assert searched(settings, []).get("known_first", False) == expected
    assert searched(read_settings(searched(settings, [])), []).keys() >= {"family", "seed"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "cross_entropy"),
        ({"class_aware": True}, "cross_entropy"),
        ({"start": "zeros"}, "zeros"),
        ({"parameters": "theta"}, "zeros"),
        ({"parameters": "theta", "start": "cross_entropy"}, "cross_entropy"),
        ({"invariant": "paper"}, "zeros"),
        ({"order": 1}, "zeros"),
        ({"inputs": ("y", "f")}, "zeros"),
        ({"family": "taylor", "outputs": "real"}, "zeros"),
        ({"family": "glo"}, "zeros"),
        ({"family": "drive", "start": "baselines", "known_first": False}, "baselines"),
    ],
)
def test_a_search_of_canonical_parameters_begins_at_cross_entropy(asked: dict[str, Any], expected: str) -> None:
    assert SearchSettings(**asked).loss_start == expected


@pytest.mark.parametrize("asked", [{}, {"outputs": "real"}, {"family": "glo"}])
def test_families_without_known_losses_refuse_to_be_told_of_them(asked: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="known_first"):
        SearchSettings(**asked, known_first=False)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        ({}, {"family": "drive"}),
        ({}, {"family": "glo"}),
        ({}, {"outputs": "real"}),
        ({}, {"outputs": "sigmoid"}),
        ({}, {"invariant": "paper"}),
        ({}, {"order": 1}),
        ({}, {"inputs": ("y", "h", "t")}),
        ({}, {"evaluator": "trainer"}),
        ({"outputs": "real"}, {"outputs": "softmax"}),
        ({"outputs": "real"}, {"family": "taylor"}),
        ({"invariant": "paper"}, {"invariant": "exact"}),
        ({"family": "drive"}, {"family": "auto"}),
        ({"family": "drive"}, {"family": "auto", "order": 4}),
        ({"evaluator": "trainer"}, {"evaluator": "auto"}),
    ],
)
def test_a_changed_copy_is_what_it_would_be_had_all_been_said_at_once(
    before: dict[str, Any], changes: dict[str, Any]
) -> None:
    copy, fresh = replace(LossSearch(**before), **changes), LossSearch(**{**before, **changes})
    assert copy == fresh
    resolved = [(each.loss_family, each.loss_parameters, each.candidates_per_generation) for each in (copy, fresh)]
    assert resolved[0] == resolved[1]


def test_a_copy_is_refused_where_it_would_be_had_all_been_said_at_once() -> None:
    for before, changes in (({}, {"family": "residual"}), ({"order": 4}, {"family": "drive"})):
        with pytest.raises(SettingsError) as caught:
            replace(SearchSettings(**before), **changes)
        with pytest.raises(SettingsError) as fresh:
            SearchSettings(**{**before, **changes})
        assert str(caught.value) == str(fresh.value)


@pytest.mark.parametrize(
    ("auto", "spelled_out"),
    [
        ({}, {"family": "taylor", "parameters": "canonical"}),
        ({"invariant": "paper"}, {"family": "taylor", "parameters": "theta"}),
        ({"outputs": "real"}, {"family": "residual"}),
        ({}, {"start": "cross_entropy"}),
        ({"parameters": "theta"}, {"start": "zeros"}),
        ({"family": "drive"}, {"start": "zeros"}),
        ({"family": "glo"}, {"start": "zeros"}),
    ],
)
def test_a_study_keeps_what_auto_meant_so_that_either_way_to_say_it_continues_it(
    auto: dict[str, Any], spelled_out: dict[str, Any]
) -> None:
    identity = searched(SearchSettings(**auto), [])
    assert identity == searched(SearchSettings(**{**auto, **spelled_out}), [])
    assert identity.items() >= spelled_out.items()
    assert searched(read_settings(identity), []) == identity
