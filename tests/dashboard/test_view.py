"""What the dashboard sees is the study, made readable; the study itself stays as it is."""

from pathlib import Path

import optuna
import pytest
from optuna.artifacts.exceptions import ArtifactNotFound

from glo_lightning.dashboard.note import TITLE, refresh_notes, write_note
from glo_lightning.dashboard.pictures import PICTURES, Pictures, identifier
from glo_lightning.dashboard.view import view
from glo_lightning.search.records.read import Archive
from glo_lightning.search.samplers.optuna_adapter import id_of_study, storage_of

optuna_dashboard = pytest.importorskip("optuna_dashboard")


@pytest.fixture(params=["taylor_run", "glo_run", "unfinished_run"])
def archive(request: pytest.FixtureRequest) -> Archive:
    return Archive.open(request.getfixturevalue(request.param))


def test_every_candidate_has_pictures_and_says_what_became_of_it(archive: Archive) -> None:
    storage, study_id = archive.study._storage, archive.study._study_id
    stored, shown = storage.get_all_trials(study_id), view(storage).get_all_trials(study_id)
    assert len(stored) == len(shown)
    for before, after in zip(stored, shown, strict=True):
        assert (before.state, before.values, before.number) == (after.state, after.values, after.number)
        assert after.params
        if "training" in before.user_attrs:
            assert after.user_attrs["status"] == before.user_attrs["training"]["status"]
            assert "training" not in after.user_attrs
        if "generation" in before.user_attrs:
            artifacts = [name for name in after._system_attrs if name.startswith("artifacts:")]
            assert len(artifacts) == len(PICTURES)
    assert storage.get_all_trials(study_id) == stored
    names = {study.study_name for study in view(storage).get_all_studies()}
    assert archive.study.study_name in names


def test_one_trial_looks_as_among_all(archive: Archive) -> None:
    shown = view(archive.study._storage)
    for trial in shown.get_all_trials(archive.study._study_id):
        alone = view(archive.study._storage).get_trial(trial._trial_id)
        assert alone.user_attrs == trial.user_attrs
        assert shown.get_trial_system_attrs(trial._trial_id) == trial._system_attrs


def test_pictures_are_drawn_for_every_candidate(archive: Archive, tmp_path: Path) -> None:
    pictures = Pictures(archive.study._storage, tmp_path)
    candidates = [trial for trial in archive.study.trials if "generation" in trial.user_attrs]
    for trial in candidates[:2]:
        for place in range(len(PICTURES)):
            drawn = pictures.open_reader(identifier(archive.study._study_id, trial._trial_id, place)).read()
            assert b"<svg" in drawn
            assert b"No picture" not in drawn


def test_what_diverged_shows_no_value_but_why() -> None:
    training = {"status": "diverged", "reason": "training loss was not finite at step 4", "seconds": 1.0}
    study = optuna.create_study()
    study.add_trial(
        optuna.trial.create_trial(value=1e6, user_attrs={"generation": 0, "index": 0, "training": training})
    )
    (shown,) = view(storage_of(study)).get_all_trials(id_of_study(study))
    assert (shown.state, shown.values) == (optuna.trial.TrialState.PRUNED, None)
    assert shown.user_attrs["reason"] == "training loss was not finite at step 4"


def test_what_cannot_be_drawn_says_why(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.set_user_attr("search", {"family": "glo", "num_classes": 10})
    study.add_trial(optuna.trial.create_trial(value=0.0, user_attrs={"expression": "log(h - 1 - 1)"}))
    pictures = Pictures(study._storage, tmp_path)
    drawn = pictures.open_reader(identifier(study._study_id, study.trials[0]._trial_id, 1)).read()
    assert b"No picture" in drawn
    with pytest.raises(ArtifactNotFound):
        pictures.open_reader(identifier(study._study_id, 12345, 0))


def test_uploads_are_kept(tmp_path: Path) -> None:
    import io

    pictures = Pictures(optuna.create_study()._storage, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    pictures.write("a-name", io.BytesIO(b"content"))
    assert pictures.open_reader("a-name").read() == b"content"
    pictures.remove("a-name")
    with pytest.raises(ArtifactNotFound):
        pictures.open_reader("a-name")


def test_the_note_tells_how_the_search_stands(archive: Archive) -> None:
    note = write_note(archive.study)
    assert note.startswith(TITLE)
    assert ("The search is finished" in note) == (archive.verdict is not None)
    best = max(candidate.metric or 0.0 for candidate in archive.stages[archive.study.study_name])
    assert f"**{best:.4f}**" in note
    assert "/artifacts/" in note


def test_notes_are_refreshed_but_never_over_somebody_elses(unfinished_run: Path) -> None:
    study = Archive.open(unfinished_run).study
    refresh_notes(study._storage)
    assert optuna_dashboard.get_note(study) == write_note(study)
    optuna_dashboard.save_note(study, f"{TITLE}\nan older standing")
    refresh_notes(study._storage)
    assert optuna_dashboard.get_note(study) == write_note(study)
    optuna_dashboard.save_note(study, "my own thoughts")
    refresh_notes(study._storage)
    assert optuna_dashboard.get_note(study) == "my own thoughts"
    optuna_dashboard.save_note(study, "")
