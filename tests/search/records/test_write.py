"""The output folder."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses import BaikalLoss, load_loss
from glo_lightning.search.records.write import SearchOutput
from glo_lightning.search.settings import SearchSettings


def test_files_are_written_whole_and_read_back(tmp_path: Path) -> None:
    output = SearchOutput.of(SearchSettings(output_dir=str(tmp_path / "deep" / "folder")))
    with output.configured(SearchSettings(order=4)):
        pass
    output.write_trials(pd.DataFrame([{"trial": 0, "metric": 0.5}]))
    output.write_best_loss(BaikalLoss())
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
    assert SearchOutput.of(SearchSettings(study_name="mine")).folder == Path("runs/mine")


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
    assert path.read_text() == "search: {seed: 1}\n"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="writable output folder") as caught:
        SearchOutput(tmp_path / "file" / "folder")
    assert "output_dir" in caught.value.cure
