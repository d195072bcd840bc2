"""Small projects as their owners wrote them: each finds a loss with a few lines more."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECTS = ROOT / "tests" / "projects"


TRANSFORMERS = (
    "transformers>=5", "tokenizers", "safetensors", "huggingface-hub", "hf-xet", "httpx2", "httpcore2", "regex",
    "accelerate", "typer", "click", "shellingham",
)  # fmt: skip
"""What a Trainer of theirs needs and we do not: where it is installed, torchmetrics imports it into every search."""


def run(folder: Path, *command: str, path: str = "") -> str:
    path = os.pathsep.join(filter(None, [str(ROOT), str(PROJECTS), path]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_with_loaders(tmp_path: Path) -> None:
    assert "trained:" in run(tmp_path, str(PROJECTS / "plain_loaders.py"))
    assert (tmp_path / "runs" / "search" / "best_loss.json").exists()


def test_an_optuna_objective(tmp_path: Path) -> None:
    assert "L = " in run(tmp_path, str(PROJECTS / "optuna_objective.py"))


def test_a_lightning_cli(tmp_path: Path) -> None:
    own = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--model.width=8"]
    search = [
        "--search.generations=1", "--search.population_size=4", "--search.finalists=1", "--search.finalist_seeds=1",
        "--search.comparison_seeds=0",
    ]  # fmt: skip
    printed = run(tmp_path, "-m", "glo_lightning.search", "--cli=lightning_cli.MyCLI", *own, *search)
    assert "The discovered loss" in printed


def test_a_hydra_app(tmp_path: Path) -> None:
    printed = run(tmp_path, str(PROJECTS / "hydra_app" / "app.py"), "+search.seed=1", "hydra.run.dir=.")
    assert "found: L" in printed
    assert (tmp_path / "found" / "best_loss.json").exists()
    assert "generation" in (tmp_path / "app.log").read_text(), "what a search tells goes where Hydra's logging goes"


def test_a_hugging_face_trainer(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target", str(site), *TRANSFORMERS]
    installed = subprocess.run([sys.executable, *pip], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"transformers cannot be installed: {installed.stderr.strip().splitlines()[-1]}")
    assert "L = " in run(tmp_path, str(PROJECTS / "hugging_face.py"), path=str(site))


PAGE = (PROJECTS / "README.md").read_text(encoding="utf-8")
CHANGES = dict(re.findall(r"^## \[[\w.]+\]\((.*?)\).*?```diff\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", CHANGES)
def test_a_project_changes_by_six_lines_at_most(name: str) -> None:
    lines = CHANGES[name].splitlines()
    added = [line[1:] for line in lines if line.startswith("+") and line != "+"]
    assert 1 <= len(added) <= 6
    if name == "lightning_cli.py":
        assert "glo_lightning.search" not in (PROJECTS / name).read_text()
        return
    before = (PROJECTS / name).read_text(encoding="utf-8").splitlines()
    removed: list[str] = []
    place = 0
    for kind, text in ((line[:1], line[1:]) for line in lines):
        if kind == "-":
            removed.append(text)
            continue
        place = before.index(text, place)
        here = removed if kind == "+" else [text]
        before[place : place + 1] = here
        place, removed = place + len(here), [] if kind == "+" else removed
    nodes = list(ast.walk(ast.parse("\n".join(before))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert not names & {"LossSearch", "suggest_loss", "result", "loss"}
    imported = {alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    assert not imported & {"LossSearch", "suggest_loss"}


def test_the_page_has_every_project() -> None:
    files = {path.name for path in PROJECTS.iterdir()} - {"README.md", "__pycache__"}
    assert {name.split("/")[0] for name in CHANGES} == files
