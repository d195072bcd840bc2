"""A LightningCLI of one's own is used as it is: parser, links, defaults, optimizer, callbacks."""

import functools
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from glo_lightning.cli.main import main
from glo_lightning.cli.own_cli import OwnCLIArguments, cli_task, load_cli
from glo_lightning.errors import GloError, ModelError
from glo_lightning.losses import CrossEntropyLoss, load_loss
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch
from glo_lightning.search.command import SEARCH
from glo_lightning.search.records.read import Archive
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import ToyData, ToyModel


class Linked(ToyModel):
    """Needs to be told how many inputs the data have."""

    def __init__(self, width: int, batch_size: int, scale: float = 1.0) -> None:
        super().__init__(width)
        self.batch_size = batch_size
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(scale)


class OwnCLI(LightningCLI):
    """Has links, an optimizer, a callback in a section of its own, and something to do afterwards."""

    def __init__(self, **given: Any) -> None:
        super().__init__(Linked, ToyData, **given)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_optimizer_args(torch.optim.SGD)
        parser.add_argument("--width", type=int, default=6)
        parser.link_arguments("width", "model.width")
        parser.link_arguments("data.batch_size", "model.batch_size", apply_on="instantiate")
        parser.add_lightning_class_args(EarlyStopping, "stopping")
        parser.set_defaults({"stopping.monitor": "val_loss", "optimizer.lr": 0.2})

    def after_instantiate_classes(self) -> None:
        self.model.was_here = True


QUICK = ["--trainer.max_epochs=2", "--trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_task_is_what_their_command_makes() -> None:
    task = cli_task(OwnCLI, [*QUICK, "--width=5", "--data.batch_size=8", "--optimizer.lr=0.3"])
    model: Any = task.build_model()
    assert (model.net[0].out_features, model.batch_size, model.was_here) == (5, 8, True)
    assert model.configure_optimizers().param_groups[0]["lr"] == 0.3
    trainer: Any = task.build_trainer([], {})
    assert trainer.max_epochs == 2
    (stopping,) = [each for each in trainer.callbacks if isinstance(each, EarlyStopping)]
    again: Any = task.build_trainer([], {"max_epochs": 3})
    assert again.max_epochs == 3
    (other,) = [each for each in again.callbacks if isinstance(each, EarlyStopping)]
    assert other is not stopping, "callbacks remember; every training has its own"
    assert not trainer.loggers
    assert not any(isinstance(each, ModelCheckpoint) for each in trainer.callbacks)


def test_callbacks_among_the_defaults_of_a_class_are_new_in_every_training() -> None:
    stopping = EarlyStopping("train_loss")
    task = cli_task(functools.partial(OwnCLI, trainer_defaults={"callbacks": [stopping]}), QUICK)
    callbacks = [each for _ in range(2) for each in task.build_trainer([], {}).callbacks]  # type: ignore[attr-defined]
    found = {id(each) for each in callbacks if isinstance(each, EarlyStopping)}
    assert len(found) == 4, "two in each, one of a section of its own"
    assert id(stopping) not in found


def test_it_trains_as_their_command_does() -> None:
    arguments = [*QUICK, "--seed_everything=3", "--trainer.logger=false", "--trainer.enable_checkpointing=false"]
    theirs = OwnCLI(args=["fit", *arguments], save_config_callback=None)
    evaluator = TrainerEvaluator(cli_task(OwnCLI, arguments), Monitor("val_loss", "min"))
    ours = evaluator.evaluate([Run(CrossEntropyLoss(), 3)])[0]
    assert ours.metric == pytest.approx(float(theirs.trainer.callback_metrics["val_loss"]), rel=0.2)


def test_their_own_configuration_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        OwnCLI(args=["fit", *QUICK, "--width=7", "--print_config"])
    written = yaml.safe_load(capsys.readouterr().out)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    task = cli_task(OwnCLI, ["fit", "--config=config.yaml"])
    model: Any = task.build_model()
    assert model.net[0].out_features == 7
    assert task.description["width"] == 7


def test_hyperparameters_have_the_names_of_options() -> None:
    task = cli_task(OwnCLI, QUICK)
    assert task.configured("model.scale") == 1.0
    assert task.configured("optimizer.lr") == 0.2
    model: Any = task.build_model({"model.scale": 0.0, "optimizer.lr": 0.7})
    assert not any(parameter.any() for parameter in model.parameters())
    assert model.configure_optimizers().param_groups[0]["lr"] == 0.7
    unchanged: Any = task.build_model()
    assert unchanged.configure_optimizers().param_groups[0]["lr"] == 0.2


def test_a_partial_holds_what_a_script_passes() -> None:
    task = cli_task(functools.partial(LightningCLI, ToyModel, ToyData), [*QUICK, "--model.width=3"])
    model: Any = task.build_model()
    assert model.net[0].out_features == 3
    again = pickle.loads(pickle.dumps(task.rebuild))()  # noqa: S301
    assert again.description == task.description


def test_a_checkpoint_callback_of_theirs_may_save() -> None:
    arguments = [*QUICK, "--trainer.callbacks+=ModelCheckpoint"]
    trainer: Any = cli_task(OwnCLI, arguments).build_trainer([], {})
    assert any(isinstance(each, ModelCheckpoint) for each in trainer.callbacks)


@pytest.mark.parametrize(
    "cli, arguments, said",
    [
        (OwnCLI, ["test"], "the arguments of a fit, got test"),
        (ToyModel, [], "a LightningCLI class"),
        (LossSearch, [], "a LightningCLI class"),
        (OwnCLI, ["--trainer.epochs=2"], "an option of this command, got .--trainer.epochs."),
        (OwnCLI, ["--trainer.max_epochs=two"], "max_epochs.*two"),
        (OwnCLI, "--trainer.max_epochs=2", r"Pass shlex.split\(arguments\)"),
    ],
    ids=["test", "model", "search", "option", "value", "text"],
)
def test_what_does_not_fit_is_refused(cli: Any, arguments: list[str], said: str) -> None:
    with pytest.raises(GloError, match=said):
        cli_task(cli, arguments)


def test_their_help_is_printed_and_what_their_classes_say_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli_task(OwnCLI, ["--help"])
    assert not ended.value.code
    assert "--width" in capsys.readouterr().out
    cli_task(functools.partial(LightningCLI, Talks, ToyData), QUICK)
    assert "made of seven layers" in capsys.readouterr().err


class Talks(ToyModel):
    def __init__(self) -> None:
        super().__init__()
        sys.stderr.write("made of seven layers")


def test_an_option_without_a_place_is_refused() -> None:
    with pytest.raises(GloError, match=r"such as model\.learning_rate; --model") as caught:
        cli_task(OwnCLI, QUICK).configured("lr")
    assert "options of :" not in str(caught.value)


def test_a_cli_is_found_by_its_path() -> None:
    assert load_cli("tests.cli.test_own_cli.OwnCLI") is OwnCLI
    for wrong in ("tests.cli.test_own_cli.NoCLI", "no_such_module.CLI", "CLI"):
        with pytest.raises(ModelError, match="by its import path"):
            load_cli(wrong)


SMALL: dict[str, Any] = {
    "generations": 1, "population_size": 4, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 0,
    "verbosity": "quiet", "monitor": "val_loss", "mode": "min",
}  # fmt: skip


def test_a_search_runs_on_it() -> None:
    result = LossSearch(**SMALL, output_dir="run").run_cli(functools.partial(OwnCLI), QUICK)
    assert [*yaml.safe_load(Path("run", "config.yaml").read_text())] == ["search"], "no --cli could name a partial"
    assert result.to_frame()["metric"].notna().any()
    trained: LightningModule = result.train(1)
    assert isinstance(trained.trainer, Trainer)
    with pytest.raises(GloError, match="Call run_tasks"):
        LossSearch(**SMALL, tasks=("a", "b")).run_cli(OwnCLI, QUICK)


def test_the_command_line_takes_it_by_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    own = [f"--search.{name}={value}" for name, value in SMALL.items()]
    arguments = ["--cli=tests.cli.test_own_cli.OwnCLI", *QUICK, "--width", "5", *own, "--search.output_dir", "run"]
    assert main(["search", *arguments]) == 0
    assert "The discovered loss" in capsys.readouterr().out
    by_python = LossSearch(**SMALL, output_dir="python").run_cli(OwnCLI, [*QUICK, "--width=5"])
    first, second = (load_loss(Path(folder, "best_loss.json")) for folder in ("run", "python"))
    assert first.to_dict() == second.to_dict() == by_python.best_loss.to_dict()
    assert main(["search", "--check", *arguments]) == 0
    assert "This search can begin." in capsys.readouterr().out
    written = yaml.safe_load(Path("run", "config.yaml").read_text())
    assert (written["cli"], written["width"]) == ("tests.cli.test_own_cli.OwnCLI", 5)
    of_python = yaml.safe_load(Path("python", "config.yaml").read_text())
    assert of_python.pop("search") == {**written["search"], "output_dir": "python"}
    assert of_python == {name: each for name, each in written.items() if name != "search"}
    again = ["--cli=tests.cli.test_own_cli.OwnCLI", "--config=run/config.yaml", "--search.output_dir=again"]
    assert main(["search", *again]) == 0, "it is whole"
    assert load_loss(Path("again", "best_loss.json")).to_dict() == first.to_dict()
    page = build_page(Archive.open(Path("run")))
    assert "python -m glo_lightning.search --cli tests.cli.test_own_cli.OwnCLI --config config.yaml" in page
    assert main(["search", "--config=run/config.yaml"]) == 2
    assert "Expected --cli tests.cli.test_own_cli.OwnCLI beside a file" in capsys.readouterr().err


def test_the_help_of_the_search_is_there_at_this_door_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--search.help"]) == 0
    told = capsys.readouterr().out
    assert main(["search", "--cli=tests.cli.test_own_cli.OwnCLI", "--search.help"]) == 0
    assert capsys.readouterr().out == told != ""


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--cli"], "expected one argument"),
        (["--cli=no.CLI"], "by its import path"),
        (["--cli=tests.cli.test_own_cli.OwnCLI", "--search.family=drives"], "Did you mean"),
        (["--cli=tests.cli.test_own_cli.OwnCLI", "--search.tasks=[a.yaml,b.yaml]"], "one task by a LightningCLI"),
    ],
    ids=["nothing", "path", "setting", "tasks"],
)
def test_what_does_not_fit_the_command_line_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(SystemExit):
        assert main(["search", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--config=both.yaml"], ["--config", "both.yaml"], ["-c", "both.yaml"]])
def test_a_file_may_have_sections_of_both(flag: list[str]) -> None:
    Path("both.yaml").write_text(
        "width: 5\noptimizer: {lr: 0.3}\nsearch: {generations: 3, inputs: [y, h, t], sigma: 1e-1}\n"
    )
    Path("theirs.yaml").write_text("width: 6\n")
    both = OwnCLIArguments(SEARCH, ["--cli=tests.cli.test_own_cli.OwnCLI", *flag, *QUICK], "--cli")
    assert (both.settings().generations, both.settings().inputs, both.settings().sigma) == (3, ("y", "h", "t"), 0.1)
    assert both.task().description["width"] == 5
    assert both.task().configured("optimizer.lr") == 0.3
    later = ["--cli=tests.cli.test_own_cli.OwnCLI", "--search.generations=4", *flag, "--config=theirs.yaml", *QUICK]
    changed = OwnCLIArguments(SEARCH, later, "--cli")
    assert changed.settings().generations == 4, "the command line decides"
    assert changed.task().description["width"] == 6, "and the later of two files"


def test_a_section_that_holds_no_options_is_refused() -> None:
    Path("wrong.yaml").write_text("width: 5\nsearch: 3\n")
    with pytest.raises(GloError, match=r"a section search with options in wrong\.yaml, got 3"):
        OwnCLIArguments(SEARCH, ["--cli=tests.cli.test_own_cli.OwnCLI", "--config=wrong.yaml"], "--cli")
    Path("unknown.yaml").write_text("search: {generation: 3}\n")
    unknown = OwnCLIArguments(SEARCH, ["--cli=tests.cli.test_own_cli.OwnCLI", "--config=unknown.yaml"], "--cli")
    with pytest.raises(GloError, match=r"Did you mean --search\.generations"):
        unknown.settings()


@pytest.mark.parametrize("option", ["--search.generations", "--search.generations="])
def test_an_option_without_a_value_is_refused(option: str) -> None:
    with pytest.raises(GloError, match=r"a value for --search\.generations"):
        OwnCLIArguments(SEARCH, ["--cli=tests.cli.test_own_cli.OwnCLI", option], "--cli").settings()
