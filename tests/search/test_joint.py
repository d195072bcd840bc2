"""Searches for a loss together with hyperparameters of the model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from glo_lightning.cli.main import main
from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search import LossSearch, Range, SearchResult
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.read import Archive
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.storage.open import open_storage
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, TunableModel

JOINT = {
    "model.learning_rate": Range(1e-3, 1.0, log=True),
    "model.milestones": Range(0, 4, increasing=True),
    "model.momentum": Range(0.0, 0.9),
}
SETTINGS: dict[str, Any] = {
    "generations": 3, "population_size": 6, "invariant": "exact", "monitor": "val_loss", "mode": "min", "finalists": 2,
    "finalist_seeds": 1, "comparison_seeds": 2, "comparison_epochs": 2, "rival_budget": 0,
    "study_name": "toy", "joint": JOINT,
}  # fmt: skip


def _search(folder: Path, model: Any = TunableModel, **changes: Any) -> SearchResult:
    return LossSearch(**{**SETTINGS, "output_dir": str(folder), **changes}).run(model, ToyData(), TRAINER)


def _outcome(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(each.generation, each.index, each.parameters, each.metric) for each in read_candidates(result.study)]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, list[tuple[float, float, list[int]]]]:
    """A search, and how the models in it were built."""
    TunableModel.built.clear()
    return _search(tmp_path_factory.mktemp("alone")), list(TunableModel.built)


@pytest.fixture
def alone(searched: tuple[SearchResult, Any]) -> SearchResult:
    return searched[0]


def test_candidates_differ_in_their_hyperparameters_and_train_with_them(searched: tuple[SearchResult, Any]) -> None:
    alone, built = searched
    trials = [trial for trial in alone.study.trials if trial.value is not None]
    assert len({trial.params["model.learning_rate"] for trial in trials}) == len(trials)
    for trial in trials:
        found = trial.user_attrs["hyperparameters"]
        milestones = [trial.params["model.milestones[0]"], trial.params["model.milestones[1]"]]
        assert found == {
            "model.learning_rate": trial.params["model.learning_rate"],
            "model.milestones": sorted(map(round, milestones)),
            "model.momentum": trial.params["model.momentum"],
        }
        assert (found["model.learning_rate"], found["model.momentum"], found["model.milestones"]) in built


def test_a_score_is_that_of_the_loss_trained_with_the_hyperparameters(alone: SearchResult) -> None:
    archive = Archive.open(alone.output_dir)
    evaluator = TrainerEvaluator(python_task(TunableModel, ToyData(), TRAINER), Monitor("val_loss", "min"))
    trial = next(trial for trial in alone.study.trials if trial.value is not None)
    record = next(each for each in read_candidates(alone.study) if each.trial == trial.number)
    for hyperparameters, same in ((trial.user_attrs["hyperparameters"], True), ({}, False)):
        (evaluation,) = evaluator.evaluate([Run(archive.build(record), 0, hyperparameters=hyperparameters)])
        assert (evaluation.metric == trial.value) is same


def test_the_verdict_is_fair_to_cross_entropy(searched: tuple[SearchResult, Any]) -> None:
    alone, built = searched
    assert alone.comparison is not None
    names = [result.name for result in alone.comparison.results]
    assert names[:2] == ["cross-entropy", "cross-entropy, joint"]
    assert names[2].startswith("cross-entropy, joint × ")
    assert names[3] == "discovered"
    baseline, likewise = alone.comparison.results[:2]
    assert baseline.metrics != likewise.metrics
    assert [rate for rate, _, _ in built].count(0.1) == 4 + 1 + 2, (
        "the checks, what is shown beside, and the baseline's seeds"
    )


def test_files_and_result_tell_what_was_found(alone: SearchResult) -> None:
    stored = json.loads((alone.output_dir / "discovered_hyperparameters.json").read_text())
    assert stored == alone.discovered_hyperparameters
    assert set(stored) == set(JOINT)
    assert f"--model.milestones={json.dumps(stored['model.milestones'])}" in str(alone)
    assert set(alone.to_frame().columns) >= {"theta_0", "model.learning_rate", "model.milestones[0]"}
    assert Archive.open(alone.output_dir).settings.joint == JOINT


def test_three_workers_find_what_one_finds(alone: SearchResult, tmp_path: Path) -> None:
    together = _search(tmp_path, workers=3)
    assert _outcome(together) == _outcome(alone)
    assert together.comparison == alone.comparison
    assert together.discovered_hyperparameters == alone.discovered_hyperparameters


@pytest.mark.parametrize("stop_after", [4, 9, 17])
def test_a_stopped_search_goes_on_with_the_same_candidates(
    alone: SearchResult, stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(TunableModel):
        left = stop_after

        def __init__(
            self, learning_rate: float = 0.1, momentum: float = 0.5, milestones: Sequence[int] = (1, 3)
        ) -> None:
            super().__init__(learning_rate, momentum, milestones)
            Stopping.left -= 1
            if Stopping.left < 0:
                raise KeyboardInterrupt

    Stopping.__name__ = Stopping.__qualname__ = "TunableModel"
    with pytest.raises(KeyboardInterrupt):
        _search(tmp_path, Stopping)
    Stopping.left = 1_000_000
    again = _search(tmp_path, Stopping)
    assert _outcome(again) == _outcome(alone)
    assert again.discovered_hyperparameters == alone.discovered_hyperparameters


@pytest.mark.parametrize("joint", [{**JOINT, "model.momentum": Range(0.0, 0.95)}, {}])
def test_another_space_is_another_search(alone: SearchResult, joint: dict[str, Range], tmp_path: Path) -> None:
    storage = open_storage(alone.output_dir / "study.db")
    before = len(storage.get_all_trials(alone.study._study_id))
    with pytest.raises(StudyError, match="joint"):
        _search(tmp_path, storage=str(alone.output_dir / "study.db"), joint=joint)
    assert len(storage.get_all_trials(alone.study._study_id)) == before


@pytest.mark.parametrize(
    ("joint", "text"),
    [
        ({"model.rate": Range(0.1, 1.0)}, "model.learning_rate, model.momentum, model.milestones"),
        ({"learning_rate": Range(0.1, 1.0)}, "model.learning_rate"),
        ({"model.learning_rate": Range(0.2, 1.0)}, "from 0.2 to 1"),
        ({"model.milestones": Range(0, 3.5)}, "whole numbers"),
        ({"model.learning_rate": Range(0.0, 1.0)}, "AssertionError"),
    ],
)
def test_hyperparameters_that_cannot_be_searched_are_refused(
    joint: dict[str, Range], text: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=text):
        _search(tmp_path, joint=joint)


def test_a_value_that_is_no_number_is_refused() -> None:
    for configured in (None, "0.1", True, [], [0.1, "b"]):
        with pytest.raises(SettingsError, match="configured as a number"):
            HyperparameterSpace({"model.x": Range(0.0, 1.0)}, {"model.x": configured})


@pytest.mark.parametrize("evaluator", ["auto", "population"])
def test_the_population_steps_aside(evaluator: str, tmp_path: Path) -> None:
    result = _search(tmp_path, generations=1, comparison_seeds=0, evaluator=evaluator)
    assert result.study.user_attrs["evaluator"] == "trainer"


COMMAND = [
    "search", "--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--search.generations=2",
    "--search.population_size=4", "--search.finalists=1", "--search.finalist_seeds=1", "--search.comparison_seeds=0",
    "--search.study_name=joint",
]  # fmt: skip


def _main(*arguments: str) -> int:
    try:
        return main([*COMMAND, *arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


def test_the_command_line_names_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    joint = {
        "model.learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
        "model.network.hidden": {"low": 4, "high": 16},
    }
    settings = ["--model.learning_rate=0.05", "--model.network.hidden=[8, 6]"]
    assert _main(f"--search.joint={json.dumps(joint)}", *settings) == 0
    folder = tmp_path / "runs" / "joint"
    found = json.loads((folder / "discovered_hyperparameters.json").read_text())
    assert all(4 <= width <= 16 for width in found["model.network.hidden"])
    assert "--model.learning_rate=" in capsys.readouterr().out
    assert _main("--config", str(folder / "config.yaml")) == 0, "the saved configuration repeats the search"


@pytest.mark.parametrize(
    ("joint", "texts"),
    [
        ({"model.learning_rat": {"low": 0.01, "high": 1.0}}, ["model.learning_rat", "learning_rate"]),
        ({"data.batch_size": {"low": 1, "high": 99}}, ["data.batch_size"]),
        ({"model.network.width": {"low": 1, "high": 99}}, ["hidden"]),
        ({"model.learning_rate": {"low": 1.0, "high": 0.1}}, ["low below high"]),
        ({"model.learning_rate": {"low": 0.0, "high": 1.0, "log": True}}, ["low above 0"]),
        ({"model.momentum": {"low": 0.0, "high": 1.0}}, ["momentum in [0, 1)"]),
        ({"model.learning_rate": 3}, ["search.joint"]),
    ],
)
def test_bad_options_are_refused_before_anything_trains(
    joint: dict[str, Any],
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _main(f"--search.joint={json.dumps(joint)}") == 2
    errors = capsys.readouterr().err
    assert all(text in errors for text in texts), errors
    assert "Traceback" not in errors


def test_an_activation_is_evolved_along_with_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "model.network.activation.coefficients"
    activation = "--model.network.activation=glo_lightning.models.TaylorActivation"
    assert _main(activation, f'--search.joint={{"{name}": {{"low": -9.0, "high": 9.0, "scale": 0.2}}}}') == 0
    folder = tmp_path / "runs" / "joint"
    found = json.loads((folder / "discovered_hyperparameters.json").read_text())[name]
    trials = (folder / "trials.csv").read_text().splitlines()
    assert len(found) == 7
    assert [f"{name}[{k}]" in trials[0] for k in range(8)] == [True] * 7 + [False]
