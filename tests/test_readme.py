"""The README's examples, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from glo_lightning.export import write_module
from glo_lightning.losses import Loss, named_loss
from glo_lightning.models import Classifier, mlp

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


@pytest.fixture
def found_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loss:
    """The loss that ``found_loss.py`` of the examples was exported from."""
    loss = named_loss("taylorglo_1")
    (tmp_path / "found_loss.py").write_text(write_module(loss))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "found_loss", raising=False)
    torch.manual_seed(0)
    return loss


def test_take_home_example(found_loss: Loss) -> None:
    inputs, target = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 0])
    scope: dict[str, Any] = {
        "model": nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)),
        "module": Classifier(mlp(num_classes=3)),
        "inputs": inputs,
        "target": target,
    }
    exec(compile(_python_block("from timm.task import"), "README.md", "exec"), scope)
    expected = found_loss(scope["model"](inputs), target)
    torch.testing.assert_close(scope["task"](inputs, target)["loss"], expected)
    mixed = torch.rand(4, 3).softmax(-1)
    torch.testing.assert_close(scope["task"](inputs, mixed)["loss"], found_loss(scope["model"](inputs), mixed))
    torch.testing.assert_close(scope["module"].training_step((inputs[:, 0, :8, :8], target), 0).shape, expected.shape)


@pytest.mark.filterwarnings("ignore")
def test_take_home_example_of_hugging_face(found_loss: Loss, tmp_path: Path) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="not a development dependency: torchmetrics imports it wherever it is, for seconds"
    )
    bert = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    scope: dict[str, Any] = {
        "language_model": transformers.BertForSequenceClassification(bert),
        "dataset": [{"input_ids": torch.randint(20, (5,)), "labels": k % 3} for k in range(8)],
        "arguments": transformers.TrainingArguments(
            str(tmp_path / "bert"), max_steps=2, report_to="none", use_cpu=True, gradient_accumulation_steps=2,
            per_device_train_batch_size=2, learning_rate=0.0, logging_steps=1, disable_tqdm=True
        ),
    }  # fmt: skip
    exec(compile(_python_block("from transformers import"), "README.md", "exec"), scope)
    scope["trainer"].train()
    ids = torch.stack([each["input_ids"] for each in scope["dataset"]])
    labels = torch.tensor([each["labels"] for each in scope["dataset"]])
    whole = found_loss(scope["language_model"](ids).logits, labels)
    logged = [each["loss"] for each in scope["trainer"].state.log_history if "loss" in each]
    assert sum(logged) / len(logged) == pytest.approx(whole.item(), rel=1e-4)


def test_every_file_the_readme_names_exists() -> None:
    root = Path(__file__).parent.parent
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / link).exists(), link
    for path in re.findall(r"\b(configs/[\w.]+|tests/benchmarks/[\w.]+\.py)", README):
        assert (root / path).exists(), path


def test_the_sampler_benchmark_explains_its_parts() -> None:
    command = [sys.executable, str(Path(__file__).parent / "benchmarks" / "sampler.py")]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "cost, workers, digits" in told.stdout
    refused = subprocess.run([*command, "costs"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no part costs" in refused.stderr
