"""The README's examples, run as they stand."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

MY_PROJECT = """
import torch
from lightning.pytorch import LightningModule
from torch import nn

from glo_lightning.data import DigitsDataModule


class MyData(DigitsDataModule):
    pass


class MyModel(LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss_fn(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_accuracy", (self.net(x).argmax(-1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
"""


def _python_block(containing: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def _shorten(code: str, long: str, short: str) -> str:
    assert long in code, f"the README no longer says {long!r}"
    return code.replace(long, short)


def test_own_model_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = _python_block("from my_project import")
    assert len(code.strip().splitlines()) <= 15
    code = _shorten(code, "generations=20", "generations=2, population_size=6, comparison_seeds=2")
    code = _shorten(code, '"max_epochs": 5', '"max_epochs": 1, "accelerator": "cpu"')
    (tmp_path / "my_project.py").write_text(MY_PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "cross-entropy" in printed
    assert (tmp_path / "runs" / "mine" / "best_loss.json").exists()


def test_sampler_example_minimises() -> None:
    scope: dict[str, object] = {}
    exec(compile(_python_block("GenerationalCmaEsSampler"), "README.md", "exec"), scope)
    assert scope["study"].best_value < 1e-3  # type: ignore[attr-defined]


def test_every_file_the_readme_names_exists() -> None:
    root = Path(__file__).parent.parent
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / link).exists(), link
    for path in re.findall(r"\b(configs/[\w.]+|tests/benchmarks/[\w.]+\.py)", README):
        assert (root / path).exists(), path
