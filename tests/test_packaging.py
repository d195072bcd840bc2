"""What is published: complete, well described, and enough to run a search without the repository."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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


def _run(*arguments: str, cwd: Path | None = None, path: Path | None = None) -> str:
    environment = {"PATH": "", "OMP_NUM_THREADS": "1"} | ({} if path is None else {"PYTHONPATH": str(path)})
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=250
    )
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


def test_the_wheel_alone_runs_a_search(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    site = tmp_path / "site"
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    where = _run("-c", "import glo_lightning; print(glo_lightning.__file__)", cwd=tmp_path, path=site)
    assert Path(where.strip()).is_relative_to(site)
    small = ["generations=2", "population_size=4", "finalists=1", "finalist_seeds=1", "comparison_seeds=2"]
    arguments = [*(f"--search.{each}" for each in small), "--trainer.max_epochs=1", "--trainer.accelerator=cpu"]
    printed = _run("-m", "glo_lightning.search", *arguments, cwd=tmp_path, path=site)
    assert "cross-entropy" in printed
    arguments = ["--config=digits_noisy_drive", "--search.generations=1", "--search.comparison_seeds=0"]
    assert "The discovered loss" in _run("-m", "glo_lightning.search", *arguments, cwd=tmp_path, path=site)
    exported = _run("-m", "glo_lightning.export", "runs/search/best_loss.json", cwd=tmp_path, path=site)
    assert "class FoundLoss" in exported
