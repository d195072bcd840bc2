"""Vectors that open the first generation: the same for every worker, and after a stop."""

from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.storage.open import open_storage
from tests.search.samplers.cheap_search import DIMENSION, POPULATION, SPACE, candidates, make_sampler, open_study, run

FIRST = [[1.0] * DIMENSION, [-1.0, 2.0, 0.0, 3.0]]
GENERATIONS = 5


@pytest.fixture(scope="module")
def expected() -> dict[tuple[int, int], tuple[float, ...]]:
    study = open_study(None, make_sampler(GENERATIONS, first=FIRST))
    run(study)
    return candidates(study)


def test_they_have_the_first_places(expected: dict[tuple[int, int], tuple[float, ...]]) -> None:
    assert [expected[0, index] for index in range(2)] == [tuple(each) for each in FIRST]
    without = open_study(None, make_sampler(1))
    run(without)
    drawn = candidates(without)
    assert all(expected[0, index] == drawn[0, index] for index in range(2, POPULATION))


@pytest.mark.parametrize("count", [1, 3, POPULATION])
def test_they_are_the_same_however_they_are_claimed(
    count: int, expected: dict[tuple[int, int], tuple[float, ...]]
) -> None:
    study = open_study(None, make_sampler(GENERATIONS, first=FIRST))
    run(study, count)
    assert candidates(study) == expected


@pytest.mark.parametrize("told_again", [FIRST, []])
def test_a_study_that_was_stopped_goes_on_with_them(
    told_again: Sequence[Sequence[float]], tmp_path: Path, expected: dict[tuple[int, int], tuple[float, ...]]
) -> None:
    path = tmp_path / "study.db"
    study = open_study(open_storage(path), make_sampler(1, first=FIRST))
    study.sampler.release(study, study.sampler.claim(study, 1), "its worker was stopped")  # type: ignore[attr-defined]
    run(study, 3)
    again = open_study(open_storage(path), make_sampler(GENERATIONS, first=told_again))
    run(again, 4)
    assert candidates(again) == expected


def test_other_first_candidates_are_another_search(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "study.db")
    run(open_study(storage, make_sampler(1)))
    study = optuna.load_study(storage=storage, sampler=make_sampler(2, first=FIRST), study_name="cheap")
    with pytest.raises(StudyError, match="first"):
        study.sampler.claim(study)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ([[0.0]], "first vector of 4 numbers"),
        ([[1e13] * DIMENSION], "first vector within the bounds"),
        ([[float("nan")] * DIMENSION], "first vector within the bounds"),
        ([[0.0] * DIMENSION] * 11, "at most 10 first vectors"),
    ],
)
def test_what_cannot_come_first_is_refused(first: list[list[float]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        GenerationalCmaEsSampler(SPACE, population_size=POPULATION, first=first)
