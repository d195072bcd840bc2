"""Searches for a loss that does well on several tasks."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from glo_lightning.cli.main import main
from glo_lightning.data.tensor_data import Splits
from glo_lightning.errors import GloError, SettingsError, StudyError
from glo_lightning.losses import CrossEntropyLoss, TaylorLoss
from glo_lightning.search import LossSearch, Range, SearchResult
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.read import Archive
from glo_lightning.theory import trainability
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.several_tasks import Reference, measure_reference
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

MONITOR = Monitor("val_loss", "min")
SETTINGS: dict[str, Any] = {
    "parameters": "theta", "generations": 3, "population_size": 6, "invariant": "exact", "monitor": "val_loss",
    "mode": "min", "finalists": 2, "finalist_seeds": 1, "comparison_seeds": 2, "comparison_epochs": 2,
    "rival_budget": 0, "study_name": "toy",
}  # fmt: skip


class FourClouds(ToyData):
    """Four clouds of points in four dimensions."""

    num_classes = 4

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(1)
        targets = torch.arange(96) % 4
        inputs = torch.randn(96, 4, generator=generator) + nn.functional.one_hot(targets, 4)
        return Splits(*((inputs[start : start + 32], targets[start : start + 32]) for start in (0, 32, 64)))


class FourClassModel(ToyModel):
    """Has a class more."""

    def __init__(self) -> None:
        super().__init__()
        self.net[2] = nn.Linear(4, 4)


class StubbornModel(ToyModel):
    """Learns nothing."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def _tasks(**trainer: Any) -> dict[str, Task]:
    return {
        "three": python_task(ToyModel, ToyData(), {**TRAINER, **trainer}),
        "four": python_task(FourClassModel, FourClouds(), {**TRAINER, "max_epochs": 3}),
    }


def _search(folder: Path, tasks: dict[str, Task] | None = None, **changes: Any) -> SearchResult:
    return LossSearch(**{**SETTINGS, "output_dir": str(folder), **changes}).run_tasks(tasks or _tasks())


def _outcome(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(each.slot, each.parameters, each.metric, each.metrics) for each in read_candidates(result.study)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return _search(tmp_path_factory.mktemp("alone"))


def test_a_candidate_scores_by_what_it_achieves_on_every_task(alone: SearchResult) -> None:
    references = {name: measure_reference(task, MONITOR) for name, task in _tasks().items()}
    archive = Archive.open(alone.output_dir)
    trained = [each for each in read_candidates(alone.study) if each.metric is not None]
    assert trained
    for record in trained[:3]:
        shares = []
        for name, task in _tasks().items():
            (evaluation,) = TrainerEvaluator(task, MONITOR).evaluate([Run(archive.build(record), 0)])
            assert record.metrics[name] == evaluation.metric
            reference = references[name]
            progress = (evaluation.metric - reference.untrained) / (reference.cross_entropy - reference.untrained)
            shares.append(max(0.0, progress))
        assert record.metric == pytest.approx(sum(shares) / 2)


def test_a_reference_is_zero_untrained_and_one_for_cross_entropy() -> None:
    task = _tasks()["four"]
    reference = measure_reference(task, MONITOR)
    (evaluation,) = TrainerEvaluator(task, MONITOR).evaluate([Run(CrossEntropyLoss(), 0)])
    assert reference.cross_entropy == evaluation.metric
    assert reference.relative(reference.cross_entropy) == 1.0
    assert reference.relative(reference.untrained) == 0.0
    assert reference.relative(1e6) == 0.0, "a diverged training"
    assert Reference(0.1, 0.9).relative(1.0) > 1.0


def test_the_invariant_holds_for_every_number_of_classes(alone: SearchResult) -> None:
    for record in read_candidates(alone.study):
        loss = TaylorLoss([record.parameters[f"theta_{k}"] for k in range(8)])
        exact = [trainability(loss, num_classes).exact for num_classes in (3, 4)]
        assert (record.status == "violated") is not all(exact)


def test_resampling_asks_every_number_of_classes(tmp_path: Path) -> None:
    result = _search(tmp_path, generations=1, comparison_seeds=0, on_violation="resample", invariant="stable")
    for record in read_candidates(result.study):
        loss = TaylorLoss([record.parameters[f"theta_{k}"] for k in range(8)])
        assert all(trainability(loss, num_classes).stable for num_classes in (3, 4))


def test_the_verdict_compares_on_each_task_and_overall(alone: SearchResult) -> None:
    references = {name: measure_reference(task, MONITOR) for name, task in _tasks().items()}
    assert list(alone.comparisons) == ["three", "four"]
    assert all(each.split == "test" and each.monitor == MONITOR for each in alone.comparisons.values())
    overall = alone.comparison
    assert overall is not None
    assert [result.name for result in overall.results] == ["cross-entropy", "discovered"], "twins differ by task"
    for result in overall.results:
        for seed, metric in enumerate(result.metrics):
            own = {name: each.result(result.name).metrics[seed] for name, each in alone.comparisons.items()}
            assert metric == pytest.approx(sum(references[name].relative(m) for name, m in own.items()) / 2)
    assert str(alone).index("three:") < str(alone).index("four:") < str(alone).index("All tasks:")
    stored = json.loads((alone.output_dir / "comparison.json").read_text())
    assert set(stored["comparisons"]) == {"three", "four"}
    assert {"metric[three]", "metric[four]"} <= set(alone.to_frame().columns)


def test_three_workers_find_what_one_finds(alone: SearchResult, tmp_path: Path) -> None:
    together = _search(tmp_path, workers=3)
    assert _outcome(together) == _outcome(alone)
    assert together.comparison == alone.comparison
    assert together.comparisons == alone.comparisons


@pytest.mark.parametrize("stop_after", [3, 5, 14])
def test_a_stopped_search_goes_on_with_the_same_candidates(
    alone: SearchResult, stop_after: int, tmp_path: Path
) -> None:
    tasks, left = _tasks(), stop_after

    def build(hyperparameters: object = None) -> ToyModel:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return FourClassModel()

    tasks["four"] = python_task(build, FourClouds(), {**TRAINER, "max_epochs": 3})
    with pytest.raises(KeyboardInterrupt):
        _search(tmp_path, tasks)
    left = 1_000_000
    again = _search(tmp_path, tasks)
    assert _outcome(again) == _outcome(alone)
    assert again.comparisons == alone.comparisons


def test_other_tasks_are_another_search(alone: SearchResult, tmp_path: Path) -> None:
    storage = str(alone.output_dir / "study.db")
    with pytest.raises(StudyError, match="task four"):
        _search(tmp_path, {**_tasks(), "four": _tasks()["three"]}, storage=storage)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"monitor": "val_f1"}, "for task three validation to log the monitored metric 'val_f1'"),
        ({"normalize": "drive"}, "3 in three, 4 in four"),
        ({"parameters": "canonical"}, "3 in three, 4 in four"),
        ({"family": "glo", "parameters": "auto", "generations": 1}, "3 in three, 4 in four"),
        ({"pruner": "median"}, "no pruner with several tasks"),
        ({"joint": {"model.width": Range(3, 5)}}, "no joint with several tasks"),
        ({"abort_epoch": 1, "abort_below": 9.0}, "for task three abort_epoch below 1"),
        ({"tasks": {"three": _tasks()["three"]}}, "two or more"),
        ({"tasks": {**_tasks(devices=2, strategy="ddp")}}, "each in one process"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(GloError, match=text):
        _search(tmp_path, changes.pop("tasks", None), **changes)


def test_a_task_that_cross_entropy_does_not_learn_is_refused(tmp_path: Path) -> None:
    tasks = {**_tasks(), "stubborn": python_task(StubbornModel, ToyData(), TRAINER)}
    with pytest.raises(SettingsError, match="for task stubborn cross-entropy to reach a better val_loss"):
        _search(tmp_path, tasks)


@pytest.mark.parametrize("evaluator", ["population", "trainer"])
def test_the_command_line_reads_tasks_from_files(
    evaluator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "narrow.yaml").write_text(
        "model:\n  class_path: glo_lightning.models.Classifier\n  init_args:\n"
        "    network:\n      class_path: glo_lightning.models.mlp\n      init_args:\n        hidden: [4]\n"
        "trainer:\n  max_epochs: 2\nsearch:\n  generations: 99\n"
    )
    (tmp_path / "wide.yaml").write_text("model:\n  class_path: glo_lightning.models.Classifier\n")
    arguments = [
        "search", "--search.tasks=[narrow.yaml, wide.yaml]", "--trainer.accelerator=cpu", "--trainer.max_epochs=1",
        "--search.generations=1", "--search.population_size=6", "--search.finalists=1", "--search.finalist_seeds=1",
        "--search.comparison_seeds=2", "--search.comparison_epochs=1", "--search.rival_budget=0",
        f"--search.evaluator={evaluator}",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "All tasks:" in capsys.readouterr().out
    archive = Archive.open(tmp_path / "runs" / "search")
    narrow, wide = (archive.fingerprint[f"task {name}"] for name in ("narrow", "wide"))
    assert narrow["trainer"]["max_epochs"] == 2
    assert wide["trainer"]["max_epochs"] == 1
    assert narrow["num_weights"] < wide["num_weights"]
    assert archive.study.user_attrs["evaluator"] == evaluator
    assert main([arguments[0], "--config", "runs/search/config.yaml"]) == 0, "the saved configuration repeats it"

    for text, change in {
        "missing.yaml": "--search.tasks=[narrow.yaml, missing.yaml]",
        "two or more": "--search.tasks=[narrow.yaml]",
        "the same monitor for all tasks": "--search.tasks=[narrow.yaml, other.yaml]",
    }.items():
        (tmp_path / "other.yaml").write_text("search:\n  monitor: val_f1\n")
        assert main([*arguments, change]) == 2
        assert text in capsys.readouterr().err
