"""The scripts behind the page of results: each is told of there, and one of them runs from search to plot.

Their commands are parsed in test_readme, which imports every one of them.
"""

import json
import os
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent / "benchmarks"

COUNTED = """
import runpy, sys
from glo_lightning.training import population, trainer

trained = 0

def counted(evaluate):
    def count(self, runs):
        global trained
        trained += len(runs)
        return evaluate(self, runs)
    return count

for kind in (population.PopulationEvaluator, trainer.TrainerEvaluator):
    kind.evaluate = counted(kind.evaluate)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(trained, "trainings")
"""
"""Runs a script, and tells how many trainings this process did itself."""


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.py")))
def test_the_page_tells_how_a_script_is_called(script: str) -> None:
    assert f"python tests/benchmarks/{script}" in (FOLDER / "RESULTS.md").read_text(encoding="utf-8")


def test_the_page_has_the_tables_of_the_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise: python tests/benchmarks/paste.py."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    pasted = runpy.run_path(str(FOLDER / "paste.py"))["pasted"]
    page = (FOLDER / "RESULTS.md").read_text(encoding="utf-8")
    assert pasted(page, "--figures", str(tmp_path)) == page


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What --quick prints, in a folder that has nothing else."""
    folder, before = tmp_path_factory.mktemp("alone"), _measured()
    told = _wait(_start(folder))
    assert _measured() == before
    assert not list(folder.iterdir())
    return told


def test_a_section_is_measured_from_search_to_plot(alone: str) -> None:
    """As --quick, which leaves nothing where somebody looks only whether it runs."""
    assert "| 20 % |" in alone
    assert "Of 1 verdicts:" in alone


def test_two_processes_share_the_work_of_a_section(alone: str, tmp_path: Path) -> None:
    folders = [f"--{name}={tmp_path / name}" for name in ("runs", "output", "figures")]
    told = [_wait(each) for each in [_start(tmp_path, *folders), _start(tmp_path, *folders)]]
    assert sum(map(_trainings, told)) == _trainings(alone)
    assert _tables(told[0]) == _tables(told[1])
    assert (tmp_path / "output" / "noise.json").read_text().count('"task"') == 1


def test_what_processes_write_at_once_is_all_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from page.records import Record, Records

    record = Record.from_dict(json.loads((FOLDER / "measured" / "noise.json").read_text())[0])
    path = tmp_path / "noise.json"
    with ThreadPoolExecutor(8) as pool:  # a file of records each, as processes have
        list(pool.map(lambda search: Records(path).keep(replace(record, search=search)), range(24)))
    assert sorted(each["search"] for each in json.loads(path.read_text())) == list(range(24))


def _start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", COUNTED, str(FOLDER / "noise.py"), "--quick", *options]
    paths = os.pathsep.join(map(str, (FOLDER.parent.parent, FOLDER)))
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )


def _wait(process: "subprocess.Popen[str]") -> str:
    told, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return told


def _trainings(told: str) -> int:
    found = re.search(r"^(\d+) trainings$", told, flags=re.MULTILINE)
    assert found
    return int(found.group(1))


def _tables(told: str) -> list[str]:
    """Return the rows of all tables without what may differ, seconds, which are last."""
    return [line.rpartition("|")[0].rpartition("|")[0] for line in told.splitlines() if line.startswith("|")]


def _measured() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for kind in ("json", "svg") for path in FOLDER.rglob(f"*.{kind}")}
