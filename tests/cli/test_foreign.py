"""The config.yaml that a user's own LightningCLI wrote is read as it is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.cli import LightningCLI

from glo_lightning.cli.foreign import adapted
from glo_lightning.cli.main import main
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import SettingsError
from glo_lightning.search.command import SEARCH
from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.task import python_task
from tests.search.toy import TRAINER, ToyData, ToyModel

MODEL, DATA = "tests.search.toy.ToyModel", "tests.search.toy.ToyData"


def _written(capsys: pytest.CaptureFixture[str], *arguments: str, subclasses: bool = False) -> dict[str, Any]:
    """Return what a user's LightningCLI writes beside its logs."""
    with pytest.raises(SystemExit):
        LightningCLI(
            ToyModel, ToyData, subclass_mode_model=subclasses, subclass_mode_data=subclasses,
            args=["fit", *arguments, "--trainer.max_epochs=2", "--print_config"],
        )  # fmt: skip
    printed: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    assert {"ckpt_path", "weights_only", "seed_everything"} <= set(printed), "as Lightning 2.6 writes it"
    assert printed["trainer"]["logger"] is None
    return printed


@pytest.mark.parametrize("subclasses", [False, True])
def test_what_a_lightning_cli_wrote_is_the_same_task(
    subclasses: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"--model={MODEL}", f"--data={DATA}"] if subclasses else []
    width = "--model.init_args.width=5" if subclasses else "--model.width=5"
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(_written(capsys, *names, width, subclasses=subclasses)))
    own = [] if subclasses else [f"--model={MODEL}", f"--data={DATA}"]
    for arguments in ([f"--config={file}", *own], [*own, f"--config={file}"]):
        cli = TaskCLI(SEARCH, [*arguments, "--trainer.accelerator=cpu"])
        task = cli.task()
        model, trainer = task.build_model(), task.build_trainer([], {})
        assert isinstance(model, ToyModel)
        assert isinstance(task.datamodule, ToyData)
        assert model.net[0].out_features == 5
        assert trainer.max_epochs == 2
        assert trainer.loggers == []
        assert trainer.checkpoint_callback is None
        assert trainer.progress_bar_callback is None
        assert [note.split("=")[0] for note in cli.notes] == ["seed_everything"]
        saved = tmp_path / "saved.yaml"
        saved.write_text(cli.whole_configuration())
        assert TaskCLI(SEARCH, [f"--config={saved}"]).description() == cli.description()


def test_a_section_without_its_class_says_how_to_name_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml.safe_dump(_written(capsys)))
    assert main(["search", "--config=config.yaml"]) == 2
    errors = capsys.readouterr().err
    assert "--model my_project.MyModel --data my_project.MyData" in errors
    assert "width" in errors
    assert errors.count("\n") == 1


def test_null_in_python_means_not_set_either() -> None:
    nulls = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "callbacks"))
    task = python_task(ToyModel, ToyData(), {**TRAINER, **nulls})
    trainer = task.build_trainer([], {})
    assert trainer.loggers == []
    assert trainer.checkpoint_callback is None
    assert task.description == python_task(ToyModel, ToyData(), TRAINER).description


def test_null_on_the_command_line_means_not_set() -> None:
    cli = TaskCLI(SEARCH, ["--trainer.logger=null", "--search.mode=null", "--trainer.max_epochs=null"])
    assert (cli.config.trainer.logger, cli.config.trainer.max_epochs) == (False, 3)
    assert cli.settings() == SearchSettings()


@pytest.mark.parametrize(
    ("content", "notes", "kept"),
    [
        (None, 0, {}),
        ({"ckpt_path": None, "weights_only": None, "seed_everything": True}, 0, {"seed_everything": True}),
        ({"ckpt_path": "last.ckpt", "weights_only": True, "verbose": True}, 1, {}),
        ({"fit": {"trainer": {"max_epochs": 1}}, "test": {"verbose": True}}, 1, {"trainer": {"max_epochs": 1}}),
        ({"validate": {"trainer": {"devices": 1}}, "seed_everything": 3}, 1, None),
        ({"search": None, "train": {"epochs": 3}, "base": "x.yaml", "optimizer": None}, 0, {}),
        ({"model": {"init_args": {"lr": 1}}}, 0, {"model": {"init_args": {"lr": 1}}}),
        ({"model": "mine.Net"}, 0, {"model": "mine.Net"}),
        ({"data": {"batch": 1}}, 0, {"data": {"class_path": "mine.Data", "init_args": {"batch": 1}}}),
    ],
)
def test_sections_are_taken_for_what_they_are(content: Any, notes: int, kept: dict[str, Any] | None) -> None:
    lines: list[str] = []
    found = adapted(content, "search", {"data": "mine.Data"}, lines.append)
    assert len(lines) == notes
    assert kept is None or found == kept


@pytest.mark.parametrize(
    ("content", "cure"),
    [
        ({"modle": {}}, "Did you mean model?"),
        ({"early_stopping": {"patience": 3}}, "what a LightningCLI of yours adds is not read"),
        ({"trainer": [1]}, "--print_config"),
        ({"optimizer": {"lr": 0.1}}, "--optimizer torch.optim.Adam"),
    ],
)
def test_what_nobody_reads_is_refused_with_a_cure(content: Any, cure: str) -> None:
    with pytest.raises(SettingsError) as caught:
        adapted(content, "search", {}, print)
    assert cure in caught.value.cure


def test_what_is_not_read_is_said_once_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("seed_everything: 7\nckpt_path: last.ckpt\ntrain: {loss: nothing}\n")
    command = [sys.executable, "-m", "glo_lightning.train", "--config=good.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "ckpt_path is not read: every training begins afresh."
    assert lines[1].startswith("seed_everything=7 is not read")
    assert lines[2].startswith("error: ")
    assert len(lines) == 3
    assert done.stdout == ""
