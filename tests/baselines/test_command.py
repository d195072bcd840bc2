"""``python -m glo_lightning.baselines`` and ``LossSearch.baselines`` as a user meets them."""

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchmetrics.classification import BinaryAUROC

from glo_lightning import LossSearch, load_loss
from glo_lightning.baselines import advice, trainings
from glo_lightning.baselines.run import Baselines
from glo_lightning.cli.main import EXIT_ERROR, EXIT_INTERRUPTED, main
from glo_lightning.compare.shared_trainings import REUSED
from glo_lightning.data import CorruptedDataModule, DiabetesDataModule
from glo_lightning.errors import GloError
from glo_lightning.models import Classifier, Regressor, mlp
from glo_lightning.search.samplers.worker_identity import WorkerIdentity
from glo_lightning.training.population import PopulationEvaluator
from tests.search.test_own_models import OwnModel, binary
from tests.search.toy import TRAINER, ToyData

CONFIG = """
search: {baseline_seeds: 3, comparison_epochs: 3, evaluator: population, study_name: toy, family: drive}
model:
  class_path: glo_lightning.models.Classifier
  init_args:
    network: {class_path: glo_lightning.models.mlp, init_args: {num_classes: 3, in_features: 4, hidden: [8]}}
    learning_rate: 0.1
data: {class_path: tests.search.toy.ToyData}
trainer: {accelerator: cpu, max_epochs: 2}
"""
SMALL: dict[str, Any] = {
    "baseline_seeds": 3, "comparison_epochs": 3, "evaluator": "population", "study_name": "toy", "family": "drive"
}  # fmt: skip

QUICK = ["--search.comparison_seeds=2", "--search.rival_budget=0", "--search.finalist_seeds=1", "--search.finalists=1"]
SPLITS = {"train": range(64), "val": range(64, 128)}


def classifier(num_classes: int = 3) -> LightningModule:
    return Classifier(mlp(num_classes=num_classes, in_features=4, hidden=(8,)), learning_rate=0.1)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG)


def _record(folder: str = "runs/toy") -> dict[str, Any]:
    record: dict[str, Any] = json.loads(Path(folder, "baselines.json").read_text())
    return record


def _trainings(folder: str = "runs/toy") -> set[tuple[str, int]]:
    """Return the trainings that were done, and not told by another list."""
    storage = f"sqlite:///{folder}/baselines.db"
    return {
        (name, trial.number)
        for name in optuna.get_all_study_names(storage)
        for trial in optuna.load_study(study_name=name, storage=storage).trials
        if "training" in trial.user_attrs and REUSED not in trial.user_attrs
    }


def _ready(command: str) -> list[str]:
    """Return the verb and the arguments of a printed command."""
    python, module, verb, *arguments = shlex.split(command)
    assert (python, module) == ("python", "-m")
    return [verb.removeprefix("glo_lightning."), *arguments]


def test_the_command_prints_a_leaderboard_and_advice_and_trains_nothing_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["baselines", "--config", "toy.yaml"]) == 0
    printed = capsys.readouterr().out
    record = _record()
    names = [row["name"] for row in record["rows"]]
    assert {"cross-entropy", "cross-entropy, smoothing 0.3", "symmetric cross entropy", "dice"} <= set(names)
    assert "cross-entropy (yours)" in printed or record["rows"][names.index("cross-entropy")]["rate"] == 1.0
    means = [row["mean"] for row in record["rows"]]
    assert means == sorted(means, reverse=True)
    assert all(len(row["metrics"]) == 3 and len(row["curves"][0]) == 3 for row in record["rows"])
    assert {"noise floor", "headroom", "least shown"} <= {line[:12].rstrip() for line in printed.splitlines()}
    assert record["advice"] in printed
    assert printed.splitlines()[-1].strip() == record["next"]

    done = _trainings()
    assert len(done) == record["trainings"]
    assert main(["baselines", "--config", "toy.yaml"]) == 0
    assert _trainings() == done, "nothing is trained twice"
    assert _record() == record

    assert main(["baselines", "--config", "toy.yaml", "--search.baseline_seeds=4"]) == 0
    rows = len(_record()["rows"])
    assert len(_trainings()) == len(done) + rows, "one more seed each"


def test_workers_share_the_trainings_and_come_to_the_same_leaderboard() -> None:
    assert main(["baselines", "--config", "toy.yaml", "--search.workers=2", "--search.output_dir=shared"]) == 0
    LossSearch(**SMALL).baselines(classifier, ToyData(), {**TRAINER, "max_epochs": 2})
    shared, alone = _record("shared"), _record()
    assert [row["metrics"] for row in shared["rows"]] == [row["metrics"] for row in alone["rows"]]
    assert shared["trainings"] == alone["trainings"] == len(_trainings("shared"))
    storage = "sqlite:///shared/baselines.db"
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    workers = {WorkerIdentity.of_worker(trial) for study in studies for trial in study.trials} - {None}
    assert workers
    assert all(worker.pid != os.getpid() for worker in workers if worker is not None)
    with pytest.raises(GloError, match="sent to other processes"):
        LossSearch(**SMALL, workers=2, output_dir="none").baselines(lambda: classifier(), ToyData(), TRAINER)
    with pytest.raises(GloError, match="storage that several processes share"):
        LossSearch(**SMALL, workers=2, storage="memory").baselines(classifier, ToyData(), TRAINER)


@pytest.mark.parametrize(
    ("answer", "verb", "left"),
    [
        ("pays", "search", "runs/toy/best_loss.json"),
        ("does not pay", "train", "runs/toy_best_baseline/metrics.json"),
        ("cannot be told", "baselines", "runs/toy/baselines.json"),
    ],
)
def test_the_command_to_run_next_runs_as_it_is_printed(
    answer: str,
    verb: str,
    left: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the answer is, also from a configuration that is about another family."""
    monkeypatch.setattr(advice, "_answer", lambda *_: answer)
    monkeypatch.setattr(advice, "_more_seeds", lambda *_: 4)
    given = ["--config", "toy.yaml", "--search.family", "taylor", "--search.parameters=theta", *QUICK]
    assert main(["baselines", *given]) == 0
    command = capsys.readouterr().out.splitlines()[-1].strip()
    ready = _ready(command)
    assert ready[0] == verb
    assert main(ready) == 0
    assert Path(left).is_file()
    if answer == "pays":
        assert "beginning from" in caplog.text
        assert main(["baselines", *given]) == 0
        assert "Files in runs/toy. Next" in capsys.readouterr().out, "that search has begun here"
        assert {"--search.family=drive", "--search.parameters=auto", "--search.start=baselines"} <= set(ready)
    if answer == "does not pay":
        assert main(["baselines", *given, "--search.baseline_seeds=4"]) == 0  # may find another loss
        assert main(_ready(capsys.readouterr().out.splitlines()[-1].strip())) == 0
    if answer == "cannot be told":
        assert len(_record()["rows"][0]["metrics"]) == 4


def test_python_and_the_command_line_say_the_same() -> None:
    assert main(["baselines", "--config", "toy.yaml", "--search.output_dir=line"]) == 0
    baselines = LossSearch(**SMALL, output_dir="python").baselines(classifier, ToyData(), TRAINER)
    assert isinstance(baselines, Baselines)
    line, python = _record("line"), _record("python")
    for name in ("answer", "headroom", "reach", "rank_correlations", "settings"):
        assert line[name] == python[name]
    assert [row["metrics"] for row in line["rows"]] == [row["metrics"] for row in python["rows"]]
    assert str(baselines).rstrip().endswith(python["next"])
    best = load_loss("python/best_baseline.json")
    assert best.to_dict() == python["rows"][0]["loss"]


def test_what_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    whole, batches = PopulationEvaluator.evaluate, []

    def stopped(self: PopulationEvaluator, runs: Any) -> Any:
        if batches:
            raise KeyboardInterrupt
        batches.append(len(runs))
        return whole(self, runs)

    monkeypatch.setattr(PopulationEvaluator, "evaluate", stopped)
    assert main(["baselines", "--config", "toy.yaml"]) == EXIT_INTERRUPTED
    assert "the same command trains the rest" in capsys.readouterr().err
    kept = _trainings()
    assert len(kept) == batches[0] > 0
    monkeypatch.setattr(PopulationEvaluator, "evaluate", whole)
    assert main(["baselines", "--config", "toy.yaml"]) == 0
    assert kept < _trainings()


def test_a_search_that_has_begun_keeps_its_name() -> None:
    search = LossSearch(**SMALL, generations=1, population_size=4, comparison_seeds=0, finalist_seeds=1)
    search.run(classifier, ToyData(), TRAINER)
    baselines = search.baselines(classifier, ToyData(), TRAINER)
    assert baselines.folder == Path("runs/toy_baselines").absolute()
    with pytest.raises(GloError, match="study_name='toy_baselines'"):
        replace(search, output_dir="runs/toy").baselines(classifier, ToyData(), TRAINER)


def test_numbers_are_told_by_huber_and_residual_losses() -> None:
    settings = {**SMALL, "family": "residual", "outputs": "real", "monitor": "val_mae", "mode": "min"}
    baselines = LossSearch(**settings).baselines(
        lambda: Regressor(mlp(num_classes=1, in_features=10, hidden=(8,)), learning_rate=0.01),
        DiabetesDataModule(batch_size=64),
        {"accelerator": "cpu", "max_epochs": 1},
    )
    record = _record()
    assert baselines.advice.settings["family"] == "residual"
    means = [row["mean"] for row in record["rows"]]
    assert means == sorted(means)
    assert {"Huber, delta 3", "squared error", "absolute error"} <= {row["name"] for row in record["rows"]}


def test_rare_classes_are_counted_and_yes_or_no_are_not() -> None:
    data = CorruptedDataModule(ToyData(), long_tail=8.0)
    LossSearch(**{**SMALL, "baseline_seeds": 3}).baselines(classifier, data, TRAINER)
    record = _record()
    assert max(record["class_counts"]) > 4 * min(record["class_counts"])
    assert "logit adjusted" in {row["name"] for row in record["rows"]}
    assert "Classes are unbalanced" in record["advice"]


class YesOrNo(OwnModel):
    """Has a loss of its own, and a metric."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 1), BinaryAUROC())
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0]))


def test_yes_or_no_with_a_loss_and_a_metric_of_ones_own_and_without_test_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "RATES", (1.0,))  # one after another takes its time
    data = binary()
    loaders = {f"{split}_dataloaders": DataLoader(Subset(data, part), 32) for split, part in SPLITS.items()}
    own = {"outputs": "sigmoid", "monitor": "val_metric", "loss_attribute": "criterion", "evaluator": "auto"}
    trainer = {"accelerator": "cpu", "max_epochs": 1, "limit_train_batches": 1}
    LossSearch(**{**SMALL, **own, "comparison_epochs": 1}).baselines(YesOrNo, trainer=trainer, **loaders)
    rows = {row["name"]: row for row in _record()["rows"]}
    assert "cross-entropy, positives × 10" in rows
    assert (rows["your loss"]["rate"], rows["your loss"]["loss"]) == (1.0, None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--trainer.devices=2", "--trainer.strategy=ddp"], "one task on one device"),
        (['--search.tasks=["toy.yaml", "other.yaml"]'], "one task on one device"),
        (["--search.baseline_seeds=2"], "baseline_seeds"),
        (["--search.monitor=val_nothing"], "val_nothing"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_trains(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baselines", "--config", "toy.yaml", *arguments]) == EXIT_ERROR
    assert expected in capsys.readouterr().err
    assert not Path("runs/toy/baselines.json").exists()


def test_help_is_that_of_a_search(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baselines", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "python -m glo_lightning.baselines [--config FILE]" in printed
    assert "--search.baseline_seeds" in printed
