"""The command line as a user meets it: real processes, real exit codes."""

import json
import os
import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
import yaml

from glo_lightning.cli.main import VERBS, main
from glo_lightning.losses import load_loss

TINY = [
    "--trainer.max_epochs=1",
    "--trainer.accelerator=cpu",
    "--search.generations=2",
    "--search.population_size=6",
    "--search.finalists=2",
    "--search.finalist_seeds=1",
    "--search.comparison_seeds=2",
    "--search.comparison_epochs=1",
    "--search.rival_budget=0",
]


def _run(*arguments: str, cwd: Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "glo_lightning.search", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
    )


@pytest.mark.parametrize("option", ["-h", "--help", "--search.help"])
def test_help_is_quick_and_loads_neither_torch_nor_optuna(tmp_path: Path, option: str) -> None:
    code = (
        "import sys\n"
        "from glo_lightning.cli.main import main\n"
        f"assert main(['search', '{option}']) == 0\n"
        "assert not {'torch', 'lightning', 'optuna'} & set(sys.modules), 'help loads too much'\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "--search.generations" in result.stdout
    assert "--trainer" in result.stdout


def test_a_bare_search_leaves_the_files_prints_the_table_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _run(*TINY, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "runs" / "search"
    assert {path.name for path in folder.iterdir()} >= {
        "best_loss.json", "config.yaml", "study.db", "trials.csv", "comparison.json"
    }  # fmt: skip
    assert "cross-entropy" in first.stdout
    assert "The discovered loss" in first.stdout
    verdict = json.loads((folder / "comparison.json").read_text())
    assert load_loss(folder / "best_loss.json").to_dict() == verdict["choice"]["loss"]
    assert load_loss(folder / "discovered_loss.json").to_dict() == verdict["loss"]
    names = [result["name"] for result in verdict["comparison"]["results"]]
    assert names[0] == "cross-entropy"
    assert names[-1] == "discovered"
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + 2 * 6

    monkeypatch.chdir(tmp_path)
    assert _main("--config", str(folder / "config.yaml")) == 0
    assert json.loads((folder / "comparison.json").read_text()) == verdict
    assert _main("--config", str(folder / "config.yaml"), "--search.generations=3") == 0
    assert len((folder / "trials.csv").read_text().splitlines()) == 1 + 3 * 6


def test_print_config_shows_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("--print_config") == 0
    printed = capsys.readouterr().out
    for section in ("search:", "model:", "data:", "trainer:", "class_path: glo_lightning.models.Classifier"):
        assert section in printed


def test_own_classes_come_in_by_import_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        """
import torch
from lightning.pytorch import LightningModule
from glo_lightning.data import DigitsDataModule


class Data(DigitsDataModule):
    pass


class Net(LightningModule):
    def __init__(self, width: int = 8):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.ReLU(),
                                       torch.nn.Linear(width, 10))
        self.loss_fn = torch.nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss_fn(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self.net(x).argmax(-1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)
"""
    )
    result = _run(
        "--model=mine.Net", "--model.width=16", "--data=mine.Data", "--search.monitor=val_acc", *TINY, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "The discovered loss" in result.stdout


def _main(*arguments: str) -> int:
    """Run the command line in this process: errors need no interpreter of their own."""
    try:
        return main(["search", *arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--search.order=0"], ["order of 1 or more", "0"]),
        (["--search.generations=many"], ["generations", "many"]),
        (["--search.family=spline"], ["family", "spline"]),
        (["--search.monitor=val_f1"], ["val_f1", "val_accuracy", "--search.monitor"]),
        (["--search.loss_attribute=criterion"], ["criterion", "loss_fn"]),
        (["--model=nowhere.Net"], ["nowhere.Net"]),
        (["--search.storage=postgresql://nobody:secret@127.0.0.1:1/none"], ["127.0.0.1"]),
    ],
)
def test_bad_input_is_refused_with_exit_code_2_and_no_traceback(
    arguments: list[str],
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _main(*TINY, *arguments) == 2
    errors = capsys.readouterr().err
    for text in texts:
        assert text in errors
    assert "Traceback" not in errors
    assert "secret" not in errors


def test_a_study_of_another_space_is_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _main(*TINY, "--search.comparison_seeds=0") == 0
    assert _main(*TINY, "--search.order=4") == 2
    errors = capsys.readouterr().err
    assert "order 3" in errors
    assert "order 4" in errors
    assert yaml.safe_load(Path("runs/search/config.yaml").read_text())["search"]["order"] == 3
    assert _main(*TINY, "--search.comparison_seeds=0") == 0


def test_what_nobody_foresaw_is_told_in_a_paragraph_and_traced_with_debug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(
        "from glo_lightning.data import DigitsDataModule\n\n\n"
        "class Data(DigitsDataModule):\n"
        "    def setup(self, stage):\n"
        "        raise RuntimeError('the disk\\nis gone')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert _main(*TINY, "--data=broken.Data") == 1
    errors = capsys.readouterr().err
    assert "error: RuntimeError: the disk is gone\n" in errors
    assert "--debug" in errors
    assert "Traceback" not in errors
    with pytest.raises(RuntimeError, match="the disk"):
        _main(*TINY, "--data=broken.Data", "--debug")


def test_a_file_that_cannot_be_written_is_named_with_what_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "loss.py"
    assert main(["export", "baikal", "--output", str(path)]) == 1
    said = capsys.readouterr().err
    assert f"Expected to use {str(path)!r}, got No such file or directory. Check the path" in said


def test_a_terminal_without_signs_for_formulas_gets_all_the_same(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "glo_lightning.export", "baikal"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert ended.returncode == 0, ended.stderr
    assert "class FoundLoss" in ended.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_module_is_run_as_its_verb_is(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("glo_lightning.cli.main.run", ran.append)
    monkeypatch.setattr(sys, "argv", ["python", "--help"])
    runpy.run_module(f"glo_lightning.{verb}.__main__", run_name="__main__")
    assert ran == [[verb, "--help"]]
    runpy.run_module(f"glo_lightning.{verb}.__main__", run_name="imported")
    assert len(ran) == 1


def test_an_output_folder_that_is_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    assert _main(*TINY, "--search.output_dir=taken/here") == 2
    assert "writable output folder" in capsys.readouterr().err


FINISHED = """
select count(*) from trials join studies using (study_id)
where study_name = 'search' and state in ('COMPLETE', 'PRUNED')
"""


def _has_finished_a_candidate(database: Path) -> bool:
    address = f"file:{database}?mode=ro"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(address, uri=True)) as connection:
        return bool(connection.execute(FINISHED).fetchone()[0])
    return False  # there are no tables yet


def test_ctrl_c_exits_130_keeps_candidates_and_the_same_command_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*TINY, "--search.generations=400", "--search.comparison_seeds=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "glo_lightning.search", *arguments],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    database = tmp_path / "runs" / "search" / "study.db"
    while process.poll() is None and not _has_finished_a_candidate(database):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "the same command continues" in errors
    assert "Traceback" not in errors

    import optuna

    storage = f"sqlite:///{database}"
    finished = optuna.load_study(study_name="search", storage=storage).get_trials(
        states=[optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    )
    assert finished
    generations = finished[-1].user_attrs["generation"] + 1
    monkeypatch.chdir(tmp_path)
    assert _main(*TINY, "--search.comparison_seeds=0", f"--search.generations={generations}") == 0
    kept = optuna.load_study(study_name="search", storage=storage).trials
    assert [kept[trial.number].params for trial in finished] == [trial.params for trial in finished]
