"""Candidates trained by two gloo ranks together, in real process groups."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from glo_lightning.search import LossSearch, Range
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.workers.local import LocalLauncher
from glo_lightning.training.run import Evaluator
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import CrashingRankModel, SmoothingModel, ToyData, ToyModel, TunableModel
from tests.training import ranks

ROOT = Path(__file__).parents[2]
DDP = {"accelerator": "cpu", "max_epochs": 2, "devices": 2, "strategy": "ddp"}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("ranks") / "results.json"
    LocalLauncher(functools.partial(ranks.train, ToyModel, file), [{}], ranks=2).run()
    results: dict[str, Any] = json.loads(file.read_text())
    return results


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    task = ranks.make_task(ToyModel, devices=1)

    def make(**settings: Any) -> Evaluator:
        return TrainerEvaluator(task, ranks.MONITOR, **settings)

    return ranks.script(make)


@pytest.mark.parametrize("part", ["scores", "pruned", "aborted", "tested"])
def test_two_ranks_train_as_one_process_does(together: dict[str, Any], alone: dict[str, Any], part: str) -> None:
    for ours, theirs in zip(together[part], alone[part], strict=True):
        assert ours["metric"] == pytest.approx(theirs["metric"], abs=1e-5)
        assert ours["curve"] == pytest.approx(theirs["curve"], abs=1e-5)
        for name in ("status", "seed", "epoch"):
            assert ours[name] == theirs[name]


def test_rank_0_alone_reports_and_all_stop(together: dict[str, Any], alone: dict[str, Any]) -> None:
    assert together["pruned"][0]["status"] == "pruned"
    assert [epoch for epoch, _ in together["reports"]] == [0, 1]
    assert [metric for _, metric in together["reports"]] == pytest.approx([s for _, s in alone["reports"]], abs=1e-5)


def test_a_nan_on_one_rank_stops_both(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    LocalLauncher(functools.partial(ranks.train, ranks.NanOnRank1, file), [{}], ranks=2).run()
    results = json.loads(file.read_text())
    assert {each["status"] for each in results["scores"]} == {"diverged"}
    assert {each["epoch"] for each in results["scores"]} == {0}, "nobody went on to the next validation"


def _search(folder: Path, model: type[ToyModel], trainer: dict[str, Any], batch_size: int) -> SearchResult:
    settings = LossSearch(
        parameters="theta", generations=2, population_size=6, monitor="val_loss", mode="min", invariant="none",
        sigma=2.0, finalists=2, finalist_seeds=1, comparison_seeds=2, comparison_epochs=2, output_dir=str(folder),
    )  # fmt: skip
    return settings.run(model, ToyData(batch_size), trainer)


def test_a_search_by_two_ranks_proposes_the_same_candidates(tmp_path: Path) -> None:
    single = _search(tmp_path / "one", SmoothingModel, {"accelerator": "cpu", "max_epochs": 2}, 16)
    double = _search(tmp_path / "two", SmoothingModel, DDP, 8)
    ours, theirs = read_candidates(double.study), read_candidates(single.study)
    assert [candidate.parameters for candidate in ours] == [candidate.parameters for candidate in theirs]
    assert [c.metric for c in ours] == pytest.approx([c.metric for c in theirs], abs=1e-4)
    assert single.comparison is not None
    assert double.comparison is not None
    rows = [result.name for result in double.comparison.results]
    assert rows == [result.name for result in single.comparison.results]
    assert {"your loss", "cross-entropy, tuned"} < set(rows)
    for name in ("cross-entropy", "your loss"):
        metrics = double.comparison.result(name).metrics
        assert metrics == pytest.approx(single.comparison.result(name).metrics, abs=1e-4)


def test_two_ranks_train_with_the_hyperparameters_of_the_candidate(tmp_path: Path) -> None:
    settings = {
        "generations": 1, "population_size": 4, "monitor": "val_loss", "mode": "min", "invariant": "none",
        "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 0,
        "joint": {"model.learning_rate": Range(1e-3, 1.0, log=True)},
    }  # fmt: skip
    metrics = []
    for trainer, batch_size in (({"accelerator": "cpu", "max_epochs": 2}, 16), (DDP, 8)):
        search = LossSearch(**settings, output_dir=str(tmp_path / str(batch_size)))  # type: ignore[arg-type]
        result = search.run(TunableModel, ToyData(batch_size), trainer)
        metrics.append([candidate.metric for candidate in read_candidates(result.study)])
    assert metrics[1] == pytest.approx(metrics[0], abs=1e-4)


def test_a_rank_that_raises_fails_its_candidate_and_the_search_goes_on(tmp_path: Path) -> None:
    result = _search(tmp_path, CrashingRankModel, DDP, 8)
    failed = [trial for trial in result.study.trials if trial.state == TrialState.FAIL]
    assert failed
    reasons = {trial.user_attrs["training"]["reason"] for trial in failed}
    assert reasons == {"ValueError: rank 1 has had enough"}
    blamed = [tuple(trial.params.values()) for trial in failed]
    assert all(blamed.count(theta) == 2 for theta in blamed), "tried once more, then left"
    assert len(read_candidates(result.study)) == 12 - len(set(blamed))


def test_torchrun_may_start_the_ranks(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        "-m", "glo_lightning.search",
        "--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--data.batch_size=8",
        "--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.max_epochs=1",
        "--search.generations=1", "--search.population_size=4", "--search.start=zeros", "--search.comparison_seeds=0",
        "--search.finalist_seeds=1", f"--search.output_dir={tmp_path}",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("The discovered loss") == 1, "rank 0 alone prints"
    assert {file.name for file in tmp_path.iterdir()} >= {"best_loss.json", "config.yaml", "study.db", "trials.csv"}
