"""What is told while a search runs can be silenced and redirected, at every door; results go to standard output."""

import ast
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import glo_lightning
from glo_lightning.cli.main import main
from glo_lightning.search import LossSearch
from glo_lightning.telling import shown
from tests.search.toy import TRAINER, ToyData, ToyModel

LOGGER = logging.getLogger("glo_lightning")

SMALL: dict[str, Any] = {
    "generations": 1, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 1,
    "finalist_seeds": 1, "comparison_seeds": 0, "evaluator": "trainer",
}  # fmt: skip


def by_python(folder: Path) -> None:
    LossSearch(**SMALL, output_dir=folder).run(ToyModel, ToyData(), TRAINER)


def by_command_line(folder: Path) -> None:
    options = [f"--search.{name}={value}" for name, value in {**SMALL, "output_dir": folder}.items()]
    task = ["--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--trainer.accelerator=cpu"]
    assert main(["search", *options, *task, "--trainer.max_epochs=1"]) == 0


Door = Callable[[Path], None]
doors = pytest.mark.parametrize("door", [by_python, by_command_line])


@contextmanager
def unheard() -> Iterator[None]:
    """Nobody has configured logging, not even pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        yield
    assert (LOGGER.handlers, LOGGER.level, LOGGER.propagate) == ([], logging.NOTSET, True), "left as it was"


class Kept(logging.Handler):
    """Somebody's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@doors
def test_where_nobody_listens_it_is_on_standard_error(
    door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with unheard():
        door(tmp_path)
    out, err = capsys.readouterr()
    assert err.startswith("searching taylor losses")
    assert sum(line.strip().startswith("1/1 ") for line in err.splitlines()) == 2, "a generation and a finalist"
    assert "generation" not in out


@doors
@pytest.mark.parametrize("place", ["glo_lightning", "root"])
def test_who_gives_a_handler_has_it_and_standard_error_does_not(
    door: Door, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, logger = Kept(), logging.getLogger(place)
    logger.addHandler(own)
    try:
        door(tmp_path)
    finally:
        logger.removeHandler(own)
    told = [record.getMessage() for record in own.records if record.name.startswith("glo_lightning.")]
    assert told[0].startswith("searching taylor losses")
    assert {record.levelno for record in own.records if record.name.startswith("glo_lightning.")} == {logging.INFO}
    assert "searching" not in capsys.readouterr().err


@doors
def test_a_silenced_logger_is_silent(door: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with unheard():
        LOGGER.setLevel(logging.ERROR)
        door(tmp_path)
        assert LOGGER.level == logging.ERROR
        LOGGER.setLevel(logging.NOTSET)
    out, err = capsys.readouterr()
    assert err == ""
    assert ("The discovered loss" in out) is (door is by_command_line), "the result is what was asked for"


def test_a_handler_that_comes_meanwhile_does_not_double_it(capsys: pytest.CaptureFixture[str]) -> None:
    with unheard():
        with shown():
            logging.warning("a library says something, and configures logging by that")
            LOGGER.info("half of it is done")
        LOGGER.warning("told by the library's handler")
    err = capsys.readouterr().err
    assert err.count("half of it is done") == err.count("told by") == 1


def test_warnings_are_told_to_the_quiet_and_beside_a_terminals_bar_too() -> None:
    for verbosity, expected in {"quiet": ["careful"], "normal": ["done", "careful"]}.items():
        console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80)
        with shown(verbosity, console) as bar:  # type: ignore[arg-type]
            assert bar.quiet is (verbosity == "quiet")
            LOGGER.info("done")
            LOGGER.warning("careful")
        file: Any = console.file
        assert file.getvalue().split() == expected


def test_several_are_shown_at_a_time_in_whatever_order_they_end() -> None:
    files = {name: io.StringIO() for name in ("normal", "verbose", "quiet")}
    with unheard():
        opened = {name: shown(name, Console(file=file)) for name, file in files.items()}  # type: ignore[arg-type]
        for each in opened.values():
            each.__enter__()
        LOGGER.debug("a detail")
        LOGGER.info("half")
        LOGGER.warning("careful")
        opened["normal"].__exit__(None, None, None)
        LOGGER.debug("another")
        for name in ("verbose", "quiet"):
            opened[name].__exit__(None, None, None)
    told = {name: file.getvalue().splitlines() for name, file in files.items()}
    assert told == {
        "normal": ["half", "careful"],
        "verbose": ["a detail", "half", "careful", "another"],
        "quiet": ["careful"],
    }


def test_commands_alone_write_to_standard_streams() -> None:
    package = Path(glo_lightning.__file__).parent
    for path in package.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        is_command = path.name == "command.py" or path.parent.name == "cli"
        assert is_command or not {"stderr", "stdout"} & names - {"isatty"} or path.name == "progress.py", path
