"""A search within a time runs as many generations as fit, once decided for ever, at every door."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from glo_lightning.cli.main import main
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import GloError, SettingsError
from glo_lightning.search import LossSearch
from glo_lightning.search.command import SEARCH
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.plan import PLAN
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.storage.study import later_stages
from tests.search.toy import TRAINER, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "population_size": 4, "invariant": "none", "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 0,
    "evaluator": "trainer", "study_name": "toy", "verbosity": "quiet",
}  # fmt: skip
OPTIONS = [
    "search", "--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--trainer.max_epochs=2",
    "--trainer.accelerator=cpu",
    *(f"--search.{name}={value}" for name, value in SMALL.items()),
]  # fmt: skip


def search(folder: Path, **changes: Any) -> SearchResult:
    settings = {**SMALL, "output_dir": str(folder), **changes}
    return LossSearch(**settings).run(ToyModel, ToyData(), TRAINER)


def plan(study: optuna.Study) -> dict[str, Any]:
    kept: dict[str, Any] = study.user_attrs[PLAN]
    return kept


def proposals(study: optuna.Study) -> list[Any]:
    return [(each.slot, each.parameters, each.metric) for each in read_candidates(study)]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The trainings that begin, the one batch included that every run tries."""
    begun: list[int] = []
    monkeypatch.setattr(ToyModel, "on_fit_start", lambda model: begun.append(1))
    return begun


@pytest.fixture(scope="module")
def within(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult]:
    folder = tmp_path_factory.mktemp("within")
    return folder, search(folder, time_budget="3s")


def test_the_number_of_generations_is_kept_with_the_study_and_all_of_them_run(
    within: tuple[Path, SearchResult],
) -> None:
    _, result = within
    kept = plan(result.study)
    assert kept["final"] is True
    assert kept["seconds"] == 3.0
    assert {slot.generation for slot, *_ in proposals(result.study)} == set(range(kept["generations"]))
    assert len(proposals(result.study)) == 4 * kept["generations"]


def test_the_same_search_again_is_answered_by_the_study(within: tuple[Path, SearchResult], fits: list[int]) -> None:
    folder, result = within
    again = search(folder, time_budget="3s")
    assert len(fits) <= 1
    assert again.discovered_loss.to_dict() == result.discovered_loss.to_dict()
    assert proposals(again.study) == proposals(result.study)


def test_what_it_wrote_repeats_it_without_a_clock(
    within: tuple[Path, SearchResult], tmp_path: Path, fits: list[int]
) -> None:
    folder, result = within
    written = yaml.safe_load((folder / "config.yaml").read_text())["search"]
    assert (written["generations"], written["time_budget"]) == (plan(result.study)["generations"], None)
    repeated = LossSearch(**{**written, "output_dir": str(tmp_path)}).run(ToyModel, ToyData(), TRAINER)
    assert proposals(repeated.study) == proposals(result.study)
    assert repeated.discovered_loss.to_dict() == result.discovered_loss.to_dict()
    assert Archive.open(folder).settings.generation_count == written["generations"]
    fits.clear()
    LossSearch(**written).run(ToyModel, ToyData(), TRAINER)
    assert len(fits) <= 1, "it goes on with the same study, which has its verdict"


def test_more_time_extends_a_finished_search(tmp_path: Path) -> None:
    short = search(tmp_path, time_budget="1h", generations=1)
    before = proposals(short.study)
    longer = search(tmp_path, time_budget="2h", generations=2)
    assert proposals(longer.study)[:4] == before
    assert len(proposals(longer.study)) == 8
    assert plan(longer.study) == {"seconds": 7200.0, "at_most": 2, "generations": 2, "final": True}


def test_a_time_too_short_is_refused_before_anything_begins_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"time_budget of \d+s or more, for one generation and its verdict"
    ) as caught:
        search(tmp_path, time_budget=0.01, population_size=40, comparison_seeds=10)
    assert "got 0.0 s" in str(caught.value)
    assert not (tmp_path / "config.yaml").exists()
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    assert optuna.get_all_study_names(storage) == []
    assert len(proposals(search(tmp_path, generations=1).study)) == 4, "the name is free"


def test_an_interrupted_search_goes_on_with_what_was_decided(
    tmp_path: Path, fits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(model: ToyModel) -> None:
        if len(fits) == 12:
            raise KeyboardInterrupt
        fits.append(1)

    changes = {"time_budget": "1h", "generations": 3}
    monkeypatch.setattr(ToyModel, "on_fit_start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, **changes)
    monkeypatch.undo()
    half = Archive.open(tmp_path)
    assert plan(half.study) == {"seconds": 3600.0, "at_most": 3, "generations": 3, "final": False}
    assert half.settings.time_budget == "1h"
    result = search(tmp_path, **changes)
    assert proposals(result.study) == proposals(search(tmp_path / "alone", generations=3).study)


def test_trees_and_their_coefficients_share_the_time(tmp_path: Path) -> None:
    trees = {
        "family": "glo",
        "invariant": "exact",
        "population_size": 8,
        "tuned_trees": 1,
        "coefficient_generations": 1,
    }
    result = search(tmp_path, time_budget="1h", generations=2, **trees)
    assert plan(result.study)["generations"] == 2
    (tuned,) = later_stages(result.study)
    assert proposals(tuned), "as many coefficients as were asked for"
    with pytest.raises(SettingsError, match="no time_budget with stage='coefficients'"):
        LossSearch(family="glo", stage="coefficients", time_budget="1h")


def test_every_door_reads_a_time_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.yaml").write_text("search: {time_budget: 10min}\n")
    (tmp_path / "number.yaml").write_text("search: {time_budget: 600}\n")
    (tmp_path / "clock.yaml").write_text("search: {time_budget: 00:00:10:00}\n")
    configured = [f"--config={tmp_path / name}.yaml" for name in ("text", "number", "clock")]
    for option in ("--search.time_budget=10min", "--search.time_budget=600", *configured):
        assert TaskCLI(SEARCH, [option]).settings().budget_seconds == 600.0
    assert LossSearch(time_budget="10min").budget_seconds == 600.0
    with pytest.raises(GloError) as caught:
        LossSearch(time_budget="soon")
    assert str(caught.value).startswith("Expected time_budget such as 90s, 10min or 1h30min, got 'soon'")
    assert main([*OPTIONS, "--search.time_budget=soon"]) == 2
    assert "Expected --search.time_budget such as 90s, 10min or 1h30min, got 'soon'" in capsys.readouterr().err


def test_a_check_says_how_many_fit_or_what_one_would_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*OPTIONS, "--check", "--search.time_budget=1h", "--search.generations=7"]) == 0
    assert "7 generations of 4 candidates fit into 1 h 0 min, the verdict included" in capsys.readouterr().out
    findings = LossSearch(**SMALL, time_budget=0.001).check(ToyModel, ToyData(), TRAINER)
    assert len(findings.problems) == 1
    assert "time_budget of 1s or more" in findings.problems[0]
    assert main([*OPTIONS, "--check", "--search.time_budget=0.001"]) == 2
    assert "--search.time_budget of 1s or more" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
