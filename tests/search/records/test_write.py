"""The output folder."""

import json
from contextlib import suppress
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from glo_lightning.cli.own_folder import require_own
from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses import BaikalLoss, load_loss
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.search.records.write import SearchOutput
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import without_password
from tests.test_safe_yaml import BOMBS


def test_files_are_written_whole_and_read_back(tmp_path: Path) -> None:
    output = SearchOutput.of(SearchSettings(output_dir=str(tmp_path / "deep" / "folder")))
    with output.configured(SearchSettings(order=4)):
        pass
    output.write_trials([{"trial": 0, "metric": 0.5}])
    output.write_loss("best_loss.json", BaikalLoss())
    output.write_json("comparison.json", {"finalists": []})
    output.write_figure("figure.png", Figure())
    assert yaml.safe_load((output.folder / "config.yaml").read_text())["search"]["order"] == 4
    assert pd.read_csv(output.folder / "trials.csv").metric[0] == 0.5
    assert load_loss(output.folder / "best_loss.json").to_dict() == BaikalLoss().to_dict()
    assert json.loads((output.folder / "comparison.json").read_text()) == {"finalists": []}
    assert (output.folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in output.folder.iterdir() if path.name.startswith(".")]


def test_the_folder_is_named_after_the_study_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert SearchOutput.of(SearchSettings(study_name="mine")).folder == Path("runs/mine").absolute()


def test_the_configuration_of_the_command_line_is_kept(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: mine\n")
    with SearchOutput(tmp_path).configured(SearchSettings()):
        pass
    assert (tmp_path / "config.yaml").read_text() == "model: mine\n"


@pytest.mark.parametrize("whole", [None, "model: another\n"])
def test_a_search_that_is_refused_leaves_the_configuration_as_it_was(tmp_path: Path, whole: str | None) -> None:
    output, path = SearchOutput(tmp_path), tmp_path / "config.yaml"
    with output.configured(SearchSettings(seed=1), "search: {seed: 1}\n"):
        pass

    def search() -> None:
        with output.configured(SearchSettings(seed=2), whole):
            assert yaml.safe_load(path.read_text()) != {"search": {"seed": 1}}
            raise StudyError("the same seed", "another", "Use the same.")

    with pytest.raises(StudyError):
        search()
    assert yaml.safe_load(path.read_text()) == {"search": {"seed": 1}}


def test_a_search_that_is_refused_at_once_leaves_no_configuration(tmp_path: Path) -> None:
    output = SearchOutput(tmp_path)
    with pytest.raises(StudyError), output.configured(SearchSettings(), "search: {seed: 1}\n"):
        raise StudyError("a study", "none", "Make one.")
    assert list(tmp_path.iterdir()) == []
    study = optuna.create_study()
    with pytest.raises(StudyError), output.configured(SearchSettings(), "search: {seed: 1}\n", lambda: study):
        raise StudyError("trainings that run to their end", "none", "Mend the cause.")
    assert (tmp_path / "config.yaml").exists(), "the study that has begun needs it"


@pytest.mark.parametrize("whole", [None, "search: {evaluator: auto}\nmodel: mine\n"])
def test_the_choice_between_evaluators_is_kept_with_the_configuration(tmp_path: Path, whole: str | None) -> None:
    output, study = SearchOutput(tmp_path), optuna.create_study()
    study.set_user_attr("evaluator", "population")
    with suppress(KeyboardInterrupt), output.configured(SearchSettings(), whole, lambda: study):
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())["search"]["evaluator"] == "auto"
        raise KeyboardInterrupt
    assert Configuration.read(tmp_path).settings.evaluator == "population"
    with output.configured(SearchSettings(evaluator="trainer"), "search: {evaluator: trainer}\n"):
        output.record_decisions(study)
    assert Configuration.read(tmp_path).settings.evaluator == "trainer", "what was asked for stays"


@pytest.mark.parametrize("address", ["postgresql://me:s3cret@host/db", "mysql://host/db?user=me&password=s3cret"])
def test_a_password_is_not_kept_and_the_configuration_says_how_to_give_it(tmp_path: Path, address: str) -> None:
    output = SearchOutput(tmp_path)
    for whole in (None, f"search: {{storage: '{address}'}}\nmodel: mine\n"):
        with output.configured(SearchSettings(storage=address), whole):
            text = (tmp_path / "config.yaml").read_text()
            assert "s3cret" not in text
            assert "PGPASSWORD" in text.splitlines()[0]
        configuration = Configuration.read(tmp_path)
        assert configuration.settings.storage == without_password(address)
        assert "s3cret" not in configuration.shown
    (tmp_path / "config.yaml").write_text(f"search: {{storage: '{address}'}}\n")
    assert "s3cret" not in Configuration.read(tmp_path).shown, "nor is one shown that somebody has written there"


@pytest.mark.parametrize("name", BOMBS)
def test_a_damaged_configuration_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.yaml").write_text(BOMBS[name])
    with pytest.raises(StudyError, match=r"config\.yaml"):
        Configuration.read(tmp_path)
    with pytest.raises(SettingsError, match=r"config\.yaml"):
        require_own(tmp_path, "search", "search")


@pytest.mark.parametrize("content", ["3", "search: 3", "search: null", "[]", "", "search: [1]"])
def test_what_holds_no_settings_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(StudyError):
        Configuration.read(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="writable output folder") as caught:
        SearchOutput(tmp_path / "file" / "folder")
    assert "output_dir" in caught.value.cure
