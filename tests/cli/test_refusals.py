"""What the parser cannot read is said in one line that names what was probably meant."""

from pathlib import Path

import pytest

from glo_lightning.cli.main import main
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import GloError
from glo_lightning.search.command import SEARCH
from tests.test_safe_yaml import BOMBS

CASES = [
    (["--search.generation=3"], ["'--search.generation'", "Did you mean --search.generations?"]),
    (["--serch.generations=3"], ["'--serch.generations'", "Did you mean --search.generations?"]),
    (["--search.lenght=3"], ["'--search.lenght'"]),
    (["--trainer.max_epoch=3"], ["Did you mean --trainer.max_epochs?"]),
    (["--trainer.max_epochs=a"], ["--trainer.max_epochs as int", "'a'"]),
    (["--search.seed"], ["a value for --search.seed"]),
    (["generations"], ["'generations'"]),
    (["--model=mine.MyModle"], ["mine.MyModle", "Did you mean --model=mine.MyModel?"]),
    (["--model=mne.MyModel"], ["mne.MyModel", "Did you mean --model=mine.MyModel?"]),
    (["--model=mine.MyModel", "--model.widht=3"], ["'widht'", "Did you mean --model.width?"]),
    (["--model=mine.MyModel", "--model.width=a"], ["--model.width as int", "'a'", "--model.help=mine.MyModel"]),
    (["--data=glo_lightning.data.Digits"], ["Did you mean --data=glo_lightning.data.DigitsDataModule?"]),
    (["--optimizer=Adm"], ["'Adm'", "Did you mean torch.optim.Adam?"]),
    (["--trainer.callbacks=EarlyStoping"], ["Did you mean lightning.pytorch.callbacks.EarlyStopping?"]),
    (["--config=nowhere.yaml"], ["nowhere.yaml"]),
    (["--search.known=" + "[" * 90_000], ["size of a configuration for --search.known"]),
    (["--search.generations=[}"], ["Expected YAML for --search.generations"]),
    (["--model.network=" + "9" * 5_000], ["digits"]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _my_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("mine.py").write_text(
        "from lightning.pytorch import LightningModule\n\n\n"
        "class MyModel(LightningModule):\n    def __init__(self, width: int = 3):\n        super().__init__()\n"
    )


@pytest.mark.parametrize(("arguments", "texts"), CASES, ids=[each[0][-1][:40] for each in CASES])
def test_one_line_says_what_is_wrong_and_what_was_meant(
    arguments: list[str], texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: Expected ")
    assert printed.err.count("\n") == 1
    assert len(printed.err) < 500
    for text in texts:
        assert text in printed.err


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_would_unfold_are_refused_by_name(name: str) -> None:
    Path("bomb.yaml").write_text(BOMBS[name])
    with pytest.raises(GloError, match=r"bomb\.yaml"):
        TaskCLI(SEARCH, ["--config=bomb.yaml"])
    with pytest.raises(GloError):
        TaskCLI(SEARCH, [f"--search={BOMBS[name].removeprefix('search: ')}"])
    with pytest.raises(GloError):
        TaskCLI(SEARCH, [f"--search.joint={BOMBS[name].removeprefix('search: ')}"])


def test_a_huge_file_is_not_read() -> None:
    with Path("huge.yaml").open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(GloError, match=r"100000000 bytes"):
        TaskCLI(SEARCH, ["--config=huge.yaml"])


def test_bases_do_not_multiply() -> None:
    for level in range(1, 9):
        Path(f"{level}.yaml").write_text(f"base: [{', '.join([f'{level - 1}.yaml'] * 9)}]")
    Path("0.yaml").write_text("{}")
    with pytest.raises(GloError, match="at most 100 files"):
        TaskCLI(SEARCH, ["--config=8.yaml"])
