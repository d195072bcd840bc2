"""Copies of samplers and of studies: pickled, deep-copied, sent to other processes, copied from storage to storage."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import joblib
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage

from glo_lightning.search.samplers.fixed import FixedListSampler
from glo_lightning.search.storage.open import open_storage
from tests.search.samplers import cheap_trees
from tests.search.samplers.cheap_search import POPULATION, candidates, make_sampler, open_study, run, tell, work_on

GENERATIONS = 3
T = TypeVar("T")
Candidates = dict[tuple[int, int], tuple[float, ...]]


@pytest.fixture(scope="module")
def expected() -> Candidates:
    study = optuna.create_study(sampler=make_sampler(GENERATIONS))
    run(study)
    return candidates(study)


def pickled(thing: T) -> T:
    copied: T = pickle.loads(pickle.dumps(thing))  # noqa: S301
    return copied


def begun(storage: object) -> optuna.Study:
    """A search in the middle of a generation: candidates told, given back, and claimed by a worker that fell silent."""
    study = open_study(storage, make_sampler(GENERATIONS, grace_period=3600.0))
    for trial in study.sampler.claim(study, POPULATION):
        tell(study, trial)
    first, second, *others = study.sampler.claim(study, 5)
    tell(study, first)
    study.sampler.release(study, others)
    assert second.number == POPULATION + 1
    study.sampler = make_sampler(GENERATIONS, grace_period=0.2)
    return study


@pytest.mark.parametrize("sampler", [make_sampler(2), cheap_trees.make_sampler(2), FixedListSampler(3)])
def test_every_sampler_can_be_pickled_and_copied_before_and_after_use(sampler: BaseSampler) -> None:
    used = optuna.create_study(sampler=copy.deepcopy(sampler))
    used.sampler.claim(used, 2)  # type: ignore[attr-defined]
    for each in (sampler, used.sampler):
        for copied in (pickled(each), copy.deepcopy(each)):
            study = optuna.create_study(sampler=copied)
            (trial,) = copied.claim(study)
            assert copied.slot_of(trial) == (0, 0)


def test_a_copy_of_a_study_in_memory_goes_its_own_way(expected: Candidates) -> None:
    study = begun(None)
    for copied in (copy.deepcopy(study), pickled(study)):
        run(copied)
        assert candidates(copied) == expected
    assert len(candidates(study)) == POPULATION + 1
    run(study)
    assert candidates(study) == expected


@pytest.mark.parametrize("name", ["optuna.db", "study.db", "study.log"])
def test_a_study_on_disk_can_be_sent_to_other_processes(name: str, tmp_path: Path, expected: Candidates) -> None:
    opened = RDBStorage(f"sqlite:///{tmp_path / name}") if name == "optuna.db" else open_storage(tmp_path / name)
    study = begun(opened)
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        assert list(pool.map(work_on, [study, study])) == [True, True]
    assert candidates(study) == expected


def test_joblib_may_work_on_a_study(tmp_path: Path, expected: Candidates) -> None:
    study = begun(open_storage(tmp_path / "study.db"))
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(work_on)(study) for _ in range(2)) == [True, True]
    assert candidates(study) == expected


@pytest.mark.parametrize("target", ["copy.db", "copy.log", "memory"])
def test_a_copied_study_goes_on_where_its_original_stood(target: str, tmp_path: Path, expected: Candidates) -> None:
    """Ids of trials count within a storage, so those of a copy are others."""
    source = open_storage(tmp_path / "study.db")
    optuna.create_study(storage=source).optimize(lambda trial: 0.0, n_trials=60)
    study = begun(source)
    storage = open_storage(target if target == "memory" else tmp_path / target)
    optuna.copy_study(from_study_name=study.study_name, from_storage=source, to_storage=storage)
    copied = open_study(storage, make_sampler(GENERATIONS, grace_period=0.2))
    run(copied)
    assert candidates(copied) == expected
