"""A search read back from its folder is the search that ran."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from glo_lightning.search import LossSearch
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.result import SearchResult
from tests.search.toy import TRAINER, OutOfMemoryModel, ToyData, ToyModel


def search(folder: Path, model: Any = ToyModel, **settings: Any) -> SearchResult:
    small = {
        "generations": 2, "population_size": 6, "finalists": 2, "finalist_seeds": 2, "comparison_seeds": 2,
        "comparison_epochs": 1, "rival_budget": 0, "evaluator": "trainer", "study_name": "toy", "output_dir": folder,
    }  # fmt: skip
    return LossSearch(**{**small, **settings}).run(model, ToyData(), TRAINER)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalize": "drive", "parameters": "canonical", "storage": "journal:///{}/study.log"},
        {"family": "glo", "population_size": 8, "tuned_trees": 1, "coefficient_generations": 2},
    ],
)
def test_losses_and_verdict_come_back(settings: dict[str, Any], tmp_path: Path) -> None:
    if "storage" in settings:
        settings = {**settings, "storage": settings["storage"].format(tmp_path)}
    result = search(tmp_path, **settings)
    archive = Archive.open(tmp_path)
    assert archive.verdict is not None
    assert archive.verdict.loss.to_dict() == result.discovered_loss.to_dict()
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == result.discovered_loss.to_dict()
    for candidates in archive.stages.values():
        for candidate in candidates:
            if candidate.formula:
                assert archive.build(candidate).formula() == candidate.formula
    assert bool(archive.lineage) == ("family" in settings)
    if archive.lineage:
        assert archive.leader.formula in (archive.lineage[-1].formula, result.discovered_loss.formula())


def test_costs_and_crashes_are_counted(tmp_path: Path) -> None:
    search(tmp_path, OutOfMemoryModel, parameters="theta", invariant="none", attempts=0)
    archive = Archive.open(tmp_path)
    first, *_, last = archive.phases()
    assert first.title == "search"
    assert first.seconds >= sum(candidate.seconds for candidate in archive.stages["toy"]) > 0  # crashes cost, too
    assert first.elapsed >= 0.5 * first.seconds
    assert "fully" in last.title
    assert sum(archive.failures().values()) == first.failures


def test_a_search_says_what_it_ran_with_and_lists_changes(tmp_path: Path) -> None:
    result = search(tmp_path, comparison_seeds=0)
    (environment,) = Archive.open(tmp_path).environments
    assert {"Python", "torch", "optuna", "glo_lightning"} <= set(environment)
    other = {**environment, "torch": "1.0"}
    result.study.set_user_attr("environments", [other])
    search(tmp_path, comparison_seeds=0, generations=3)
    assert Archive.open(tmp_path).environments == [other, environment]


def test_a_folder_can_be_moved(tmp_path: Path) -> None:
    search(tmp_path / "here", comparison_seeds=0)
    (tmp_path / "here").rename(tmp_path / "there")
    assert Archive.open(tmp_path / "there").leader is not None


def test_the_settings_are_those_of_the_last_run(tmp_path: Path) -> None:
    for generations in (1, 2):
        search(tmp_path, comparison_seeds=0, generations=generations, parameters="theta")
        assert Archive.open(tmp_path).settings.generations == generations


def test_settings_of_other_versions_are_ignored(tmp_path: Path) -> None:
    search(tmp_path, comparison_seeds=0)
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text() + "  telepathy: true\n")
    settings = Archive.open(tmp_path).settings
    assert settings.study_name == "toy"
    assert not hasattr(settings, "telepathy")
    assert dataclasses.asdict(settings)["generations"] == 2
