"""The loss to take home: of the discovered one and its rivals, the best on validation data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

from glo_lightning.cli.main import main
from glo_lightning.dashboard.note import write_note
from glo_lightning.losses import CrossEntropyLoss, Loss, known_losses, load_loss
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.records.verdict import STORED, Verdict, read_verdict
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "generations": 2, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 2,
    "finalist_seeds": 2, "comparison_seeds": 3, "comparison_epochs": 3, "evaluator": "trainer", "study_name": "toy",
}  # fmt: skip


def search(folder: Path, model: Any = ToyModel, **changes: Any) -> SearchResult:
    return LossSearch(**{**SMALL, "output_dir": str(folder), **changes}).run(model, ToyData(), TRAINER)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return search(tmp_path_factory.mktemp("found"))


def losses_of(result: SearchResult) -> dict[str, tuple[Loss, dict[str, Any]]]:
    """Return the rows of a verdict whose losses can be made without it."""
    known = next(row for row in rows(result) if row.startswith("best known: "))
    name = known.removeprefix("best known: ").replace(" ", "_")
    return {
        "cross-entropy": (CrossEntropyLoss(), {}),
        known: (known_losses(3)[name].loss, {}),
        "discovered": (result.discovered_loss, {}),
    }


def rows(result: SearchResult) -> list[str]:
    assert result.comparison is not None
    return [each.name for each in result.comparison.results]


def test_validation_is_that_of_the_same_trainings(found: SearchResult) -> None:
    assert found.comparison is not None
    evaluator = TrainerEvaluator(python_task(ToyModel, ToyData(), TRAINER), Monitor("val_loss", "min"), epochs=3)
    for name, (loss, along) in losses_of(found).items():
        runs = [Run(loss, seed, hyperparameters=along) for seed in found.comparison.seeds]
        expected = [each.metric for each in evaluator.evaluate(runs)]
        assert list(found.comparison.result(name).validation) == pytest.approx(expected, rel=1e-6), name


def test_the_best_on_validation_is_taken_home_whatever_the_test_split_says(found: SearchResult) -> None:
    assert found.comparison is not None
    means = {each.name: float(np.mean(each.validation)) for each in found.comparison.results}
    best = min(means, key=lambda name: means[name])
    assert best == read_verdict(found.study).choice.name == "cross-entropy, tuned"
    assert f"has {means[best]:.4f}, the discovered loss {means['discovered']:.4f}" in found.advice
    assert load_loss(found.output_dir / "best_loss.json").to_dict() == found.best_loss.to_dict()
    assert load_loss(found.output_dir / "discovered_loss.json").to_dict() == found.discovered_loss.to_dict()
    factor = found.best_hyperparameters["learning_rate_factor"]
    assert json.loads((found.output_dir / "best_hyperparameters.json").read_text()) == found.best_hyperparameters
    assert f"It goes with all learning rates × {factor:.4g}." in found.advice
    assert not (found.output_dir / "discovered_hyperparameters.json").exists()


def test_a_model_trained_with_it_is_one_of_the_verdict(found: SearchResult) -> None:
    assert found.comparison is not None
    model = found.train(found.comparison.seeds[0])
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    (metrics,) = Trainer(accelerator="cpu", **quiet).validate(model, ToyData(), verbose=False)
    expected = found.comparison.result("cross-entropy, tuned").validation[0]
    assert metrics["val_loss"] == pytest.approx(expected, rel=1e-6)


def test_terminal_report_and_dashboard_tell_it(found: SearchResult) -> None:
    archive = Archive.open(found.output_dir)
    page = build_page(archive)
    assert "To take home: cross-entropy tuned with as many trainings" in found.advice
    for told in (str(found), page, write_note(archive.study)):
        assert found.advice in told
    for name in ("best_loss.json", "discovered_loss.json"):
        assert f"<summary>{name}</summary>" in page
        assert name in str(found)


def test_without_rivals_the_discovered_loss_is_taken_home_and_nothing_of_before_stays(tmp_path: Path) -> None:
    search(tmp_path)
    assert {"best_hyperparameters.json", "best_known.json"} <= {path.name for path in tmp_path.iterdir()}
    alone = search(tmp_path, comparison_seeds=0)
    assert not {"best_hyperparameters.json", "best_known.json"} & {path.name for path in tmp_path.iterdir()}
    assert alone.best_loss.to_dict() == alone.discovered_loss.to_dict()
    assert load_loss(tmp_path / "best_loss.json").to_dict() == alone.discovered_loss.to_dict()
    assert alone.advice == ""
    assert "To take home:" not in str(alone)


def test_ones_own_loss_cannot_be_taken_home_but_may_be_kept(tmp_path: Path) -> None:
    class Own(ToyModel):
        """Takes steps that nothing here comes near."""

        def __init__(self) -> None:
            super().__init__()
            self.loss_fn = Tenfold()

    result = search(tmp_path, Own, rival_budget=0)
    assert result.comparison is not None
    means = {each.name: float(np.mean(each.validation)) for each in result.comparison.results}
    assert min(means, key=lambda name: means[name]) == "your loss"
    assert result.advice.endswith(f"Your own loss does better there, {means['your loss']:.4f}: keep it.")
    others = {name: mean for name, mean in means.items() if name != "your loss"}
    assert read_verdict(result.study).choice.name == min(others, key=lambda name: others[name])


class Tenfold(nn.Module):
    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 10.0 * nn.functional.cross_entropy(logits, target)


def test_several_tasks_take_home_a_loss_that_is_the_same_on_all(tmp_path: Path) -> None:
    tasks = {name: python_task(ToyModel, ToyData(), TRAINER) for name in ("one", "two")}
    result = LossSearch(**SMALL, output_dir=tmp_path).run_tasks(tasks)
    assert result.comparison is not None
    choice = read_verdict(result.study).choice
    means = {each.name: float(np.mean(each.validation)) for each in result.comparison.results}
    assert means[choice.name] == max(means.values())
    assert result.advice
    for comparison in result.comparisons.values():
        assert choice.name in [each.name for each in comparison.results]


def test_the_command_line_takes_home_what_python_does(
    found: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [f"--search.{name}={value}" for name, value in SMALL.items()]
    task = ["--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData"]
    trainer = [f"--trainer.{name}={value}" for name, value in TRAINER.items()]
    assert main(["search", *options, *task, *trainer, "--search.output_dir=out"]) == 0
    assert " ".join(found.advice.split()) in " ".join(capsys.readouterr().out.split())
    assert load_loss(Path("out", "best_loss.json")).to_dict() == found.best_loss.to_dict()
    stored = json.loads(Path("out", "comparison.json").read_text())
    assert stored["choice"]["name"] == "cross-entropy, tuned"
    assert stored["choice"]["loss"] == found.best_loss.to_dict()


def test_a_verdict_of_before_has_the_discovered_loss_to_take_home(found: SearchResult) -> None:
    stored = {**found.study.user_attrs[STORED]}
    del stored["choice"]
    for each in stored["comparison"]["results"]:
        del each["validation"]
    verdict = Verdict.from_dict(stored)
    assert verdict.choice.loss.to_dict() == found.discovered_loss.to_dict()
    assert verdict.advice == ""
