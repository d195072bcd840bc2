"""What a search may continue with, and what it may not."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from optuna.trial import TrialState

from glo_lightning.cli.main import main
from glo_lightning.errors import GloError, SettingsError, StudyError
from glo_lightning.search import LossSearch, Range
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.settings import SearchSettings, read_settings
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.search.workers.work import searched
from glo_lightning.training.abort import AbortRule, attempt_seed
from tests.search.toy import TRAINER, DropoutModel, NarrowModel, ToyData, ToyModel

WAYS = ("trainer", "population")


def _search(folder: Path, model: Any = ToyModel, trainer: dict[str, Any] | None = None, **changes: Any) -> SearchResult:
    settings = {
        "generations": 2, "population_size": 5, "monitor": "val_accuracy", "invariant": "none", "finalists": 2,
        "finalist_seeds": 1, "comparison_seeds": 0, "study_name": "toy", "output_dir": str(folder),
    }  # fmt: skip
    return LossSearch(**{**settings, **changes}).run(model, ToyData(), {**TRAINER, **(trainer or {})})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    _search(folder)
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 2},
        {"trainer": {"accelerator": "auto", "devices": 1, "enable_progress_bar": True}},
        {"finalists": 1},
        {"comparison_seeds": 2, "comparison_epochs": 1},
        {"threads": 2},
        {"generations": 3},
        {"generations": 1},
        {"inputs": ["y", "h"], "sigma": 1.2, "trainer": {"gradient_clip_val": None, "check_val_every_n_epoch": 1}},
    ],
)
def test_a_search_continues_with_other(changes: dict[str, Any], folder: Path) -> None:
    result = _search(folder, **changes)
    assert all(trial.state == TrialState.COMPLETE for trial in result.study.trials)
    assert len(result.study.trials) in (10, 15)


@pytest.mark.parametrize(
    ("omitted", "explicit"),
    [
        ({}, {"population_size": 40, "inputs": ["y", "h"], "joint": {}, "tasks": []}),
        ({"invariant": "none"}, {"invariant": "none", "population_size": 20}),
        ({"family": "glo"}, {"family": "glo", "population_size": 80, "known": []}),
        ({"joint": {"a": Range(0, 4)}}, {"joint": {"a": {"low": 0.0, "high": 4, "log": False, "scale": 1}}}),
        ({"abort_epoch": 3}, {"abort_epoch": 3, "abort_below": 0.15}),
    ],
)
def test_an_explicit_default_is_the_same_search_as_an_omitted_one(
    omitted: dict[str, Any], explicit: dict[str, Any]
) -> None:
    rule = AbortRule(0.15, 3, 1) if "abort_epoch" in omitted else None  # ten classes
    task = ProbedTask("", *(cast(Any, None),) * 2, 10, 40, rule)
    fingerprint = searched(SearchSettings(**omitted), [task])
    assert searched(SearchSettings(**explicit), [task]) == fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert searched(read_settings(fingerprint), [task]) == fingerprint, "as what the study keeps is read back"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model": NarrowModel}, "num_weights 27"),
        ({"model": DropoutModel}, "network 'DropoutModel"),
        ({"trainer": {"max_epochs": 3}}, "max_epochs"),
        ({"order": 4}, "order 4"),
        ({"seed": 1}, "seed 1"),
        ({"population_size": 6}, "population_size 6"),
        ({"pruner": "median"}, "pruner 'median'"),
        ({"trainer": {"max_epochs": 2, "gradient_clip_val": 1.0}}, "gradient_clip_val"),
        ({"attempts": 3}, "attempts"),
    ],
)
def test_a_search_does_not_continue_with_another(changes: dict[str, Any], text: str, folder: Path) -> None:
    before = len(_search(folder).study.trials)
    with pytest.raises(StudyError, match=text):
        _search(folder, **changes)
    assert len(_search(folder).study.trials) == before


def test_a_finished_search_trains_nothing(folder: Path) -> None:
    built = 0

    class ToyModel(_ToyModel):
        def __init__(self) -> None:
            nonlocal built
            built += 1
            super().__init__()

    ToyModel.__qualname__ = _ToyModel.__qualname__
    _search(folder)
    _search(folder, ToyModel)
    assert built == 3, "the checks alone"


_ToyModel = ToyModel


def test_hopeless_trainings_are_given_up_and_tried_again(tmp_path: Path) -> None:
    settings = {"abort_epoch": 0, "abort_below": 0.9, "attempts": 2, "storage": "memory", "seed": 5}
    result = _search(tmp_path, trainer={"max_epochs": 4}, parameters="theta", **settings)
    endings = [trial.user_attrs["training"] for trial in result.study.trials]
    aborted = [ending for ending in endings if ending["status"] == "aborted"]
    assert aborted
    assert all(ending["seed"] == attempt_seed(5, 2) and ending["epoch"] == 0 for ending in aborted)
    assert all(trial.state == TrialState.COMPLETE for trial in result.study.trials), "they rank by what they reached"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"abort_epoch": 1}, "abort_epoch below 1"),
        ({"abort_epoch": -1}, "abort_epoch of 0"),
        ({"abort_epoch": 0, "mode": "min", "monitor": "val_loss"}, "abort_below"),
        ({"workers": 0}, "workers of 1"),
        ({"attempts": -1}, "attempts of 0"),
        ({"fidelity_sample": 2}, "fidelity_sample of 3"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=text):
        _search(tmp_path, **changes)


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband", "patient"])
def test_pruned_candidates_rank_below_completed_ones(pruner: str, tmp_path: Path) -> None:
    result = _search(
        tmp_path, trainer={"max_epochs": 6}, pruner=pruner, generations=3, population_size=8, monitor="val_loss",
        mode="min", storage="memory",
    )  # fmt: skip
    records = read_candidates(result.study)
    assert len(records) == 24
    pruned = [record for record in records if record.status == "pruned"]
    assert pruned
    assert all(record.metric is None and "pruner" in record.reason for record in pruned)
    assert all(len(trial.intermediate_values) <= 6 for trial in result.study.trials)
    assert max(len(trial.intermediate_values) for trial in result.study.trials) == 6


def test_fidelity_is_reported(tmp_path: Path) -> None:
    result = _search(tmp_path, fidelity_sample=5, comparison_epochs=6, monitor="val_loss", mode="min", storage="memory")
    fidelity = result.fidelity
    assert fidelity is not None
    assert fidelity.epochs == 6
    assert list(fidelity.partial) == sorted(fidelity.partial), "best first"
    assert min(record.metric for record in read_candidates(result.study)) == fidelity.partial[0]
    assert -1.0 <= fidelity.kendall <= 1.0
    assert f"Spearman {fidelity.spearman:.2f}" in str(result)
    assert '"spearman"' in (tmp_path / "comparison.json").read_text()


def test_a_storage_nobody_answers_is_refused_before_anything_trains(tmp_path: Path) -> None:
    class Never(ToyModel):
        def training_step(self, *args: Any) -> Any:
            raise AssertionError("trained")

    with pytest.raises(GloError, match=r"127\.0\.0\.1"):
        _search(tmp_path, Never, storage="postgresql://nobody:secret@127.0.0.1:1/none")


def test_a_password_is_in_no_file_and_no_line_and_the_search_goes_on(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    postgres.psql("create database guarded_search;")
    address = postgres.get_uri("guarded_search").replace("postgres:@", "postgres:s3cret@")
    assert "s3cret" in address
    monkeypatch.chdir(tmp_path)
    in_python = _search(tmp_path / "python", storage=address, study_name="python")
    arguments = [
        "search", "--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--trainer.max_epochs=2",
        "--trainer.accelerator=cpu", "--search.generations=2", "--search.population_size=5", "--search.invariant=none",
        "--search.finalists=1", "--search.finalist_seeds=1", "--search.comparison_seeds=0", "--search.study_name=shell",
        "--search.output_dir=shell", "--search.evaluator=auto",
    ]  # fmt: skip
    assert main([*arguments, f"--search.storage={address}"]) == 0
    assert main([*arguments, f"--search.storage={address}", "--search.generations=3"]) == 0, "the same command goes on"
    assert main(["search", "--config=shell/config.yaml"]) == 0, "this server trusts its own users"
    assert main(["report", "shell"]) == 0
    assert main([*arguments, f"--search.storage={address.replace('guarded_search', 'nowhere')}"]) == 2
    printed = capfd.readouterr()
    assert "PGPASSWORD" in printed.err
    assert "s3cret" not in printed.out + printed.err
    assert read_settings(yaml.safe_load(Path("shell/config.yaml").read_text())["search"]).evaluator in WAYS
    assert in_python.study.user_attrs["evaluator"] in WAYS
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        assert b"s3cret" not in path.read_bytes(), path
