"""A study belongs to one search."""

from pathlib import Path

import optuna
import pytest

from glo_lightning.errors import StudyError
from glo_lightning.search.storage.study import open_study


def _open(folder: Path, fingerprint: dict[str, object]) -> optuna.Study:
    storage = optuna.storages.get_storage(f"sqlite:///{folder / 'study.db'}")
    return open_study("mine", storage, optuna.samplers.RandomSampler(), "maximize", fingerprint)


def test_the_same_search_opens_it_again(tmp_path: Path) -> None:
    _open(tmp_path, {"order": 3, "inputs": ["y", "h"]}).add_trial(optuna.trial.create_trial(value=1.0))
    assert len(_open(tmp_path, {"order": 3, "inputs": ["y", "h"]}).trials) == 1


@pytest.mark.parametrize(("other", "text"), [({"order": 4}, "order 4"), ({"order": 3, "seed": 1}, "seed 1")])
def test_another_search_is_told_what_differs(tmp_path: Path, other: dict[str, object], text: str) -> None:
    _open(tmp_path, {"order": 3})
    with pytest.raises(StudyError, match=text) as caught:
        _open(tmp_path, other)
    assert "study_name" in caught.value.cure


def test_of_many_settings_those_are_told_that_differ(tmp_path: Path) -> None:
    _open(tmp_path, {"trainer": {"max_epochs": 20, "precision": 32}, "joint": {}})
    with pytest.raises(StudyError) as caught:
        _open(tmp_path, {"trainer": {"max_epochs": 7, "precision": 32}, "joint": {}})
    assert (caught.value.expected, caught.value.got) == (
        "study 'mine' to continue with the trainer.max_epochs 20",
        "trainer.max_epochs 7",
    )
    with pytest.raises(StudyError, match="joint"):
        _open(tmp_path, {"trainer": {"max_epochs": 20, "precision": 32}})


def test_somebody_elses_study_is_refused(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    optuna.create_study(study_name="mine", storage=storage).add_trial(optuna.trial.create_trial(value=0.0))
    with pytest.raises(StudyError, match="something else"):
        _open(tmp_path, {"order": 3})
