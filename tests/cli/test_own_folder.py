"""Two studies never mix their files in one folder, whichever door they come through."""

from pathlib import Path

import pytest

from glo_lightning.cli.main import main
from glo_lightning.cli.own_folder import require_own
from glo_lightning.errors import SettingsError
from glo_lightning.search import LossSearch
from tests.search.toy import ToyData, ToyModel


def _config(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "verb", "name", "named"),
    [
        ("search: {study_name: one}", "search", "two", ["'two'", "search 'one'", "study_name='one'"]),
        ("compare: {name: one}", "compare", "two", ["'two'", "compare 'one'", "name='one'"]),
        ("search: {study_name: one}", "compare", "one", ["compare 'one'", "search 'one'"]),
        ("train: {epochs: 3}", "search", "one", ["search 'one'", "train"]),
        ("train: {name: one}", "train", "two", ["train 'one'"]),
    ],
)
def test_the_folder_of_another_is_refused_and_both_are_named(
    tmp_path: Path, text: str, verb: str, name: str, named: list[str]
) -> None:
    folder = _config(tmp_path / "run", text)
    with pytest.raises(SettingsError) as caught:
        require_own(folder, verb, name)
    for each in (*named, "output_dir"):
        assert each in str(caught.value)


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("search: {study_name: one}", "search"),
        ("search: {study_name: one}\ntrain: {name: other}", "search"),
        ("search: {generations: 3}", "search"),
        ("model: mine", "search"),
        ("", "compare"),
        ("train: {name: null}", "train"),
    ],
)
def test_the_own_folder_is_gone_on_with(tmp_path: Path, text: str, verb: str) -> None:
    require_own(_config(tmp_path / "run", text), verb, "one")
    require_own(tmp_path / "nowhere", verb, "one")


def test_both_doors_of_a_search_refuse_before_anything_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _config(tmp_path / "run", "search: {study_name: one}")
    with pytest.raises(SettingsError, match=r"search 'two', got .* search 'one'. Choose another output_dir"):
        LossSearch(study_name="two", output_dir=folder).run(ToyModel, ToyData())
    assert main(["search", "--search.study_name=two", f"--search.output_dir={folder}"]) == 2
    errors = capsys.readouterr().err
    assert "--search.output_dir, or go on with --search.study_name=one." in errors
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("verb", ["compare", "train"])
def test_other_verbs_refuse_the_folder_of_a_search(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _config(tmp_path / "run", "search: {study_name: one}")
    assert main([verb, f"--{verb}.output_dir={folder}"]) == 2
    assert "search 'one'" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
