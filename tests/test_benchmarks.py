"""The scripts behind the page of results: each is told of there, and one of them runs from search to plot.

Their commands are parsed in test_readme, which imports every one of them.
"""

import runpy
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.py")))
def test_the_page_tells_how_a_script_is_called(script: str) -> None:
    assert f"python tests/benchmarks/{script}" in (FOLDER / "RESULTS.md").read_text(encoding="utf-8")


def test_a_section_is_measured_from_search_to_plot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As --quick, which leaves nothing where somebody looks only whether it runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", ["noise.py", "--quick"])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.chdir(tmp_path)
    before = _measured()
    runpy.run_path(str(FOLDER / "noise.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert "| 20 % |" in told
    assert "Of 1 verdicts:" in told
    assert _measured() == before
    assert not list(tmp_path.iterdir())


def _measured() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for kind in ("json", "svg") for path in FOLDER.rglob(f"*.{kind}")}
