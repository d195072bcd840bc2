"""Small projects as their owners wrote them: each finds a loss with a few lines more."""

import os
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


def test_a_hugging_face_trainer(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target", str(site), *TRANSFORMERS]
    installed = subprocess.run([sys.executable, *pip], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"transformers cannot be installed: {installed.stderr.strip().splitlines()[-1]}")
    assert "L = " in run(tmp_path, str(PROJECTS / "hugging_face.py"), path=str(site))


@pytest.mark.parametrize("name", ["plain_loaders.py", "optuna_objective.py", "hydra_app/app.py", "hugging_face.py"])
def test_few_lines_are_ours(name: str) -> None:
    ours, inside = 0, False
    for line in (PROJECTS / name).read_text().splitlines():
        inside = inside or line.strip() == "# + begin"
        if line.strip().startswith("# +"):
            inside = line.strip() != "# + end" and inside
            continue
        ours += bool(line.strip()) and (inside or "# +" in line)
    assert 1 <= ours <= 6
