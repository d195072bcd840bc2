"""One configuration file serves every verb, and may start from others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml

from glo_lightning.cli.config_file import with_bases
from glo_lightning.cli.settings import Settings
from glo_lightning.cli.task_cli import TaskCLI, task_from_command_line
from glo_lightning.cli.verb import Verb
from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import SettingsError
from glo_lightning.models import Classifier, mlp


@dataclass(frozen=True, kw_only=True)
class OwnSettings(Settings):
    """Options of a verb.

    Args:
        length: how long.
    """

    length: int = 1


VERB = Verb("train", OwnSettings, "training", "Without arguments it trains.")


def _write(folder: Path, **contents: str) -> None:
    for name, content in contents.items():
        (folder / f"{name}.yaml").write_text(content)


def test_later_files_and_options_change_what_their_bases_say(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    _write(
        tmp_path / "base",
        network="model: {init_args: {network: {init_args: {hidden: [7]}}, learning_rate: 0.5}}",
        data="data: {init_args: {batch_size: 16, split_seed: 3}}",
    )
    _write(
        tmp_path,
        row="base: [base/network.yaml, base/data.yaml]\ndata: {init_args: {batch_size: 8}}",
        overlay="trainer: {max_epochs: 2}",
    )
    files = ["--config", str(tmp_path / "row.yaml"), f"--config={tmp_path / 'overlay.yaml'}"]
    task = task_from_command_line(VERB, [*files, "--model.learning_rate=0.25"])
    model, trainer = task.build_model(), task.build_trainer([], {})
    assert model.hparams["learning_rate"] == 0.25
    assert model.network[1].out_features == 7
    assert isinstance(task.datamodule, DigitsDataModule)
    assert (task.datamodule.batch_size, task.datamodule.split_seed) == (8, 3)
    assert trainer.max_epochs == 2


def test_sections_of_other_verbs_are_accepted_and_left_out(tmp_path: Path) -> None:
    _write(tmp_path, mine="search: {generations: 3}\nlandscape: {points: 9}\ntrain: {length: 4}")
    cli = TaskCLI(VERB, ["--config", str(tmp_path / "mine.yaml")])
    assert cli.settings() == OwnSettings(length=4)
    cli.save_config(tmp_path / "saved.yaml")
    saved = yaml.safe_load((tmp_path / "saved.yaml").read_text())
    assert saved["train"] == {"length": 4, "seed": 0, "output_dir": None}
    assert not {"search", "landscape", "base"} & set(saved)


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ({"row": "base: row.yaml"}, "its own base"),
        ({"row": "base: nowhere.yaml"}, "nowhere.yaml"),
        ({"row": "base: [}"}, "Expected YAML in"),
        ({"row": "base: 5"}, "one or more files"),
        ({"row": "base: [[x]]"}, "one or more files"),
        ({"row": "[1, 2]"}, "sections such as model"),
        ({"row": "trainer: 3"}, "section trainer"),
        ({"row": "data: null"}, "--data my_project.MyData"),
        ({"row": "bases: other.yaml"}, "bases"),
        ({"row": "train: {lenght: 3}"}, "lenght"),
    ],
)
def test_bad_files_are_refused_by_name(contents: dict[str, str], text: str, tmp_path: Path) -> None:
    _write(tmp_path, **contents)
    with pytest.raises(SettingsError) as caught:
        TaskCLI(VERB, ["--config", str(tmp_path / "row.yaml")])
    assert text in str(caught.value)


def test_bases_come_first_and_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    _write(tmp_path, row="base: inner/middle.yaml", root="{}")
    _write(tmp_path / "inner", middle="base: ../root.yaml")
    files = with_bases(str(tmp_path / "row.yaml"))
    assert [Path(file).name for file in files] == ["root.yaml", "middle.yaml", "row.yaml"]


def test_the_quick_help_tells_the_verbs_own_options() -> None:
    text = VERB.quick_help()
    assert "--train.length LENGTH" in text
    assert "how long" in text
    assert "python -m glo_lightning.train " in text


def test_the_optimizer_of_the_command_line_is_part_of_the_task() -> None:
    def described(*arguments: str) -> dict[str, object]:
        return TaskCLI(VERB, ["--model=glo_lightning.models.Classifier", *arguments]).description()

    sgd = ["--optimizer=torch.optim.SGD", "--optimizer.lr=0.1"]
    steps = ["--lr_scheduler=torch.optim.lr_scheduler.StepLR", "--lr_scheduler.step_size=2"]
    without, with_sgd, with_steps = described(), described(*sgd), described(*sgd, *steps)
    assert not {"optimizer", "lr_scheduler"} & set(without), "as in studies that know nothing of them"
    assert with_sgd["optimizer"]["init_args"]["lr"] == 0.1  # type: ignore[index]
    assert with_sgd != described("--optimizer=torch.optim.SGD", "--optimizer.lr=0.2")
    assert with_steps["lr_scheduler"]["init_args"]["step_size"] == 2  # type: ignore[index]


class OwnModel(Classifier):
    """Has arguments that are called like those of our Classifier, and other defaults."""

    def __init__(self, learning_rate: float = 1e-3, optimizer: Literal["adamw", "sgd"] = "adamw") -> None:
        super().__init__(mlp(), learning_rate=learning_rate, optimizer=optimizer)


class OwnData(DigitsDataModule):
    def __init__(self, batch_size: int = 7) -> None:
        super().__init__(batch_size=batch_size)


OWN = ["--model=tests.cli.test_task_cli.OwnModel", "--data=tests.cli.test_task_cli.OwnData"]


def _own(cli: TaskCLI[OwnSettings]) -> tuple[object, ...]:
    model, data = cli.config.model.init_args, cli.config.data.init_args
    return model.learning_rate, model.optimizer, data.batch_size


def test_other_classes_have_their_own_defaults(tmp_path: Path) -> None:
    _write(tmp_path, mine="model: {class_path: tests.cli.test_task_cli.OwnModel}")
    assert _own(TaskCLI(VERB, OWN)) == (1e-3, "adamw", 7)
    assert _own(TaskCLI(VERB, [*OWN, "--model.learning_rate=0.5"])) == (0.5, "adamw", 7)
    assert _own(TaskCLI(VERB, ["--config", str(tmp_path / "mine.yaml")])) == (1e-3, "adamw", 64)
    assert _own(TaskCLI(VERB, ["--config", str(tmp_path / "mine.yaml"), "--data.batch_size=5"])) == (1e-3, "adamw", 5)
    assert _own(TaskCLI(VERB, ["--model.learning_rate=0.5"])) == (0.5, "sgd", 64)
    model = TaskCLI(VERB, OWN).task().build_model()
    assert isinstance(model, OwnModel)
    assert model.learning_rate == 1e-3


def test_a_printed_configuration_has_the_defaults_of_its_classes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        TaskCLI(VERB, [*OWN, "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["init_args"]["learning_rate"] == 1e-3
    assert printed["data"]["init_args"]["batch_size"] == 7


def test_checkpoints_are_enabled_by_a_callback_that_saves_them() -> None:
    callback = "--trainer.callbacks=lightning.pytorch.callbacks.ModelCheckpoint"
    trainer = TaskCLI(VERB, [callback]).task().build_trainer([], {})
    assert trainer.checkpoint_callback is not None
    assert TaskCLI(VERB, []).task().build_trainer([], {}).checkpoint_callback is None
