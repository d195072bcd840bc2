"""What the CMA-ES sampler refuses, and in which words."""

import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from tests.search.samplers.cheap_search import SPACE, make_sampler, tell


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"population_size": 12}, "population_size"),
        ({"sigma": 0.5}, "sigma"),
        ({"seed": 8}, "seed"),
        ({"mean": [1.0, 0.0, 0.0, 0.0]}, "mean"),
        ({"max_retry": 3}, "max_retry"),
        ({"is_feasible": lambda theta: True}, "resample"),
    ],
)
def test_a_study_is_continued_with_its_own_settings_or_not_at_all(settings: dict, named: str) -> None:
    study = optuna.create_study(sampler=make_sampler())
    (trial,) = study.sampler.claim(study)
    study.tell(trial, 1.0)
    study.sampler = make_sampler(**settings)
    with pytest.raises(StudyError, match=named):
        study.sampler.claim(study)
    with pytest.raises(StudyError, match=named):
        study.ask()
    study.sampler = make_sampler(seed=None, population_size=None)
    (trial,) = study.sampler.claim(study)
    assert study.sampler.slot_of(trial) == (0, 1)


def test_a_study_of_another_space_is_refused() -> None:
    study = optuna.create_study(sampler=make_sampler())
    tell(study, study.ask())
    study.sampler = GenerationalCmaEsSampler({"x": FloatDistribution(-1.0, 1.0)})
    with pytest.raises(StudyError, match="space"):
        study.ask()


def test_bad_spaces_are_refused() -> None:
    for space in ({}, {"n": IntDistribution(0, 3)}, {"x": FloatDistribution(0.0, 1.0, step=0.5)}):
        with pytest.raises(SettingsError):
            GenerationalCmaEsSampler(space)
    with pytest.raises(SettingsError, match="within the bounds"):
        GenerationalCmaEsSampler({"x": FloatDistribution(1.0, 2.0)})


BAD = {
    "population_size": st.one_of(st.integers(max_value=3), st.floats(), st.booleans(), st.text()),
    "sigma": st.one_of(st.floats(max_value=0.0), st.sampled_from([math.inf, math.nan, "1", True])),
    "seed": st.one_of(st.integers(max_value=-1), st.floats(), st.booleans(), st.text()),
    "mean": st.one_of(
        st.lists(st.floats(-1.0, 1.0), max_size=3),
        st.just([math.nan] * 4),
        st.just([1e13] * 4),
        st.just(["a"] * 4),
        st.just("mean"),
        st.just(0.5),
    ),
    "first": st.sampled_from([[[0.0]], [0.0] * 4, [[math.nan] * 4], [[1e13] * 4], [["a"] * 4], "first", 0.5]),
    "max_retry": st.one_of(st.integers(max_value=-1), st.just(1.5), st.just("1")),
    "max_generations": st.one_of(st.integers(max_value=-1), st.just(1.5), st.just("1")),
    "grace_period": st.one_of(st.floats(max_value=0.0), st.just(math.nan), st.just("30")),
}


@given(st.sampled_from(sorted(BAD)).flatmap(lambda name: st.tuples(st.just(name), BAD[name])))
def test_bad_arguments_are_refused_by_name(argument: tuple[str, object]) -> None:
    name, value = argument
    with pytest.raises(SettingsError, match=name):
        GenerationalCmaEsSampler(SPACE, **{name: value})


@pytest.mark.parametrize("count", [0, -1])
def test_claiming_nothing_is_refused(count: int) -> None:
    study = optuna.create_study(sampler=make_sampler())
    with pytest.raises(SettingsError, match="count"):
        study.sampler.claim(study, count)
