"""What is published: complete, well described, and enough to run a search without the repository."""

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.installation import ROOT
from tests.core import link_core

PACKAGE = {
    str(path.relative_to(ROOT))
    for path in (ROOT / "glo_lightning").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
} | {f"glo_lightning/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution and the wheel made from it, built offline in a copy of the repository."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "glo_lightning", source / "glo_lightning", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "losses", source / "tests" / "losses")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    folder = tmp_path_factory.mktemp("dist")
    _run("-m", "build", "--no-isolation", "--outdir", str(folder), str(source))
    return folder


def _run(*arguments: str, cwd: Path | None = None, path: Sequence[Path] = ()) -> str:
    """Run Python; with a path, which has all that it can import, besides its own library."""
    environment = {"PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, *(["-S"] if path else []), *arguments]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=250)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_description_is_accepted(distributions: Path) -> None:
    files = [str(path) for path in distributions.iterdir()]
    assert len(files) == 2
    assert _run("-m", "twine", "check", "--strict", *files).count("PASSED") == 2


def test_the_wheel_has_all_that_is_needed_and_nothing_else(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == PACKAGE
    texts = {
        f"glo_lightning/{name}" for name in ("py.typed", "CHANGELOG.md", "theory/README.md", "theory/derivations.md")
    }
    assert texts <= PACKAGE


def test_the_source_can_be_built_from(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert names >= {"README.md", "LICENSE", "pyproject.toml", "setup.cfg", *PACKAGE}


def test_the_wheel_and_what_it_requires_run_a_search_in_an_empty_folder(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    site, core, folder = (tmp_path / name for name in ("site", "core", "folder"))
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    core.mkdir()
    folder.mkdir()
    link_core(core)
    run = functools.partial(_run, cwd=folder, path=(site, core))
    where = run("-c", "import glo_lightning; print(glo_lightning.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    small = ["generations=2", "population_size=4", "finalists=1", "finalist_seeds=1", "comparison_seeds=2"]
    arguments = [*(f"--search.{each}" for each in small), "--trainer.max_epochs=1", "--trainer.accelerator=cpu"]
    printed = run("-m", "glo_lightning.search", *arguments)
    assert "cross-entropy" in printed
    arguments = ["--config=digits_noisy_drive", "--search.generations=1", "--search.comparison_seeds=0"]
    assert "The discovered loss" in run("-m", "glo_lightning.search", *arguments)
    exported = run("-m", "glo_lightning.export", "runs/search/best_loss.json")
    assert "class FoundLoss" in exported
