"""GLO from Python, on real digits: expressions, then coefficients."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import LossError, SettingsError, StudyError
from glo_lightning.losses import TreeLoss, load_loss
from glo_lightning.losses.expression import parse
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch, SearchResult
from glo_lightning.search.exploration import glo
from glo_lightning.search.exploration.screening import Screen
from glo_lightning.search.records.candidates import CandidateRecord, read_candidates
from glo_lightning.search.storage.study import later_stages

GENERATIONS, POPULATION = 3, 8
SMALL: dict[str, Any] = {
    "family": "glo", "generations": GENERATIONS, "population_size": POPULATION, "tuned_trees": 1,
    "coefficient_generations": 2, "finalists": 2, "finalist_seeds": 1, "comparison_seeds": 0, "seed": 1,
    "evaluator": "trainer",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _small_tunings() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glo, "COEFFICIENT_POPULATION", 4)
        yield


def build() -> Classifier:
    return Classifier(mlp(hidden=(8,)))


def run(folder: Path, model: Callable[[], Classifier] = build, **settings: Any) -> SearchResult:
    search = LossSearch(**{**SMALL, "output_dir": str(folder), **settings})
    return search.run(model, DigitsDataModule(batch_size=256), {"accelerator": "cpu", "max_epochs": 1})


def candidates(result: SearchResult) -> list[CandidateRecord]:
    return [each for study in (result.study, *later_stages(result.study)) for each in read_candidates(study)]


def found(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(c.study, c.generation, c.index, c.parameters, c.metric, c.status) for c in candidates(result)]


def stopping_after(count: int) -> Callable[[], Classifier]:
    """Build so many models, and then press Ctrl-C."""
    left = [count]

    def build_or_stop() -> Classifier:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return build()

    return build_or_stop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """Both stages, by one worker that nobody disturbs."""
    return run(tmp_path_factory.mktemp("whole"))


def test_every_tree_has_a_verdict_and_only_what_the_screen_lets_pass_trains(whole: SearchResult) -> None:
    expressions = read_candidates(whole.study)
    assert [(c.generation, c.index) for c in expressions] == [
        (generation, index) for generation in range(GENERATIONS) for index in range(POPULATION)
    ]
    for candidate in expressions:
        assert candidate.status in ("completed", "diverged", "screened", "repeated")
        trained = candidate.status in ("completed", "diverged")
        assert (candidate.metric is not None) == (candidate.status == "completed")
        assert (candidate.seconds > 0.0) == trained
        if trained:
            assert Screen(10).check(candidate.parameters["expression"]).passed
            assert candidate.theory["exact"]
            assert candidate.formula.startswith("L = ")
        else:
            assert candidate.reason.startswith("unseen: trains as" if candidate.status == "repeated" else ("defined",))
    assert {"completed", "repeated"} <= {candidate.status for candidate in expressions}


def test_the_second_stage_tunes_the_best_tree_that_can_be_tuned(whole: SearchResult) -> None:
    (tuning,) = later_stages(whole.study)
    tuned = read_candidates(tuning)
    assert [(c.generation, c.index) for c in tuned] == [(g, k) for g in range(2) for k in range(4)]
    expression = tuning.study_name.removeprefix("search/coefficients/")
    parse(expression)
    trained = [c for c in read_candidates(whole.study) if c.metric is not None]
    better = [c for c in trained if c.metric > next(each.metric for each in trained if _text(each) == expression)]
    assert all(len(TreeLoss(_text(candidate)).coefficients) < glo.MIN_COEFFICIENTS for candidate in better)
    for candidate in tuned:
        assert (candidate.metric is None) == (candidate.status == "violated")
        assert len(candidate.parameters) == len(TreeLoss(expression).coefficients)


def _text(candidate: CandidateRecord) -> str:
    return str(candidate.parameters["expression"])


def test_the_winner_and_the_files_are_of_both_stages(whole: SearchResult) -> None:
    assert isinstance(whole.discovered_loss, TreeLoss)
    frame = whole.to_frame()
    assert len(frame) == GENERATIONS * POPULATION + 8
    assert {"expression", "operation", "parents", "c_0", "c_1", "drive", "status"} <= set(frame.columns)
    assert load_loss(whole.output_dir / "discovered_loss.json").to_dict() == whole.discovered_loss.to_dict()
    assert {file.name for file in whole.output_dir.iterdir()} >= {"history.png", "lineage.png"}
    history = json.loads((whole.output_dir / "history.json").read_text())
    (tuning,) = later_stages(whole.study)
    assert list(history) == ["search", f"coefficients of {tuning.study_name.removeprefix('search/coefficients/')}"]
    assert [summary["size"] for summary in history["search"]] == [POPULATION] * GENERATIONS
    assert sum(summary["fates"].get("trained", 0) for summary in history["search"]) == sum(
        candidate.metric is not None for candidate in read_candidates(whole.study)
    )
    assert history["search"][0]["fates"]["leaves"] > POPULATION


def test_one_stage_and_then_the_other_is_both(whole: SearchResult, tmp_path: Path) -> None:
    first = run(tmp_path, stage="trees")
    assert later_stages(first.study) == []
    assert found(first) == found(whole)[: GENERATIONS * POPULATION]
    second = run(tmp_path, stage="coefficients")
    assert found(second) == found(whole)
    assert second.discovered_loss.to_dict() == whole.discovered_loss.to_dict()


def test_more_generations_of_trees_lose_no_tuned_candidate(tmp_path: Path) -> None:
    few = {study.study_name for study in later_stages(run(tmp_path, generations=1).study)}
    many = run(tmp_path, generations=GENERATIONS, finalists=100)
    tuned = {study.study_name for study in later_stages(many.study)}
    assert len(tuned) == 2, "another tree was the best later on"
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert {finalist["study"] for finalist in stored["finalists"]} == {many.study.study_name, *tuned}
    assert few < tuned


def test_coefficients_alone_need_trees(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="stage='trees' first"):
        run(tmp_path, stage="coefficients")


def test_a_search_stopped_anywhere_and_resumed_finds_the_same(whole: SearchResult, tmp_path: Path) -> None:
    trained = sum(candidate.metric is not None for candidate in candidates(whole))
    first_stage = sum(candidate.metric is not None for candidate in read_candidates(whole.study))
    assert 3 < first_stage < trained - 2
    # One probe comes before the trainings of each run: among trees, among coefficients, and among finalists.
    for count in (3, first_stage, trained - first_stage):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, stopping_after(count))
    resumed = run(tmp_path)
    assert found(resumed) == found(whole)
    assert resumed.discovered_loss.to_dict() == whole.discovered_loss.to_dict()


def test_a_pruner_stops_trees_too(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        reported: list[int] = []
        patch.setattr(
            "optuna.pruners.MedianPruner.prune", lambda self, study, trial: reported.append(trial.last_step) or False
        )
        run(tmp_path, generations=1, stage="trees", pruner="median", finalists=1)
    assert reported
    assert set(reported) == {0}


def test_the_papers_screen_trains_every_formula_with_both_leaves(tmp_path: Path) -> None:
    result = run(tmp_path, screen="paper", stage="trees", generations=1, population_size=8, known=["log(h) + y / h"])
    expressions = read_candidates(result.study)
    for candidate in expressions:
        tree = parse(_text(candidate))
        if candidate.status == "screened":
            assert "y" not in tree or "h" not in tree or candidate.reason.startswith("defined")
        elif candidate.status != "repeated":
            assert candidate.metric is not None
    assert "screened" in {candidate.status for candidate in expressions}
    uphill = expressions[0]
    assert not uphill.theory["exact"]
    assert uphill.metric is not None


def test_populations_find_what_the_trainer_finds(whole: SearchResult, tmp_path: Path) -> None:
    together = run(tmp_path, evaluator="population", generations=1, stage="trees")
    alone = [candidate for candidate in candidates(whole) if candidate.study == together.study.study_name][:POPULATION]
    assert [(c.parameters, c.status) for c in candidates(together)] == [(c.parameters, c.status) for c in alone]
    assert [c.metric for c in candidates(together)] == pytest.approx([c.metric for c in alone], abs=0.01)


def test_known_losses_come_first(tmp_path: Path) -> None:
    known = ("baikal", "y * log(h)", "mean_squared_error")
    result = run(tmp_path, known=known, stage="trees", generations=1, population_size=4)
    expressions = [_text(candidate) for candidate in read_candidates(result.study)]
    assert expressions[:3] == ["log(h) - y / h", "y * log(h)", "-1 * square(h - y)"]


def test_normalised_trees_and_coefficients_compete_by_shape_alone(tmp_path: Path) -> None:
    known = ("-1 * square(h - y)", "-2 * square(h - y)")
    result = run(tmp_path, normalize="drive", known=known, generations=1, population_size=4, coefficient_generations=1)
    original, repetition = read_candidates(result.study)[:2]
    assert (original.status, repetition.status) == ("completed", "repeated")
    trained = [candidate for candidate in candidates(result) if candidate.metric is not None]
    assert {candidate.study for candidate in trained} == {"search", later_stages(result.study)[0].study_name}
    assert [candidate.theory["drive"] for candidate in trained] == pytest.approx([10.0] * len(trained))


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("log(h) - y / (h", "the end at position 15"),
        ("bikal", "'bikal' at position 0"),
        ("__import__('os')", "position 0"),
    ],
)
def test_bad_known_expressions_are_refused_before_anything_trains(tmp_path: Path, known: str, message: str) -> None:
    with pytest.raises(LossError, match=message):
        run(tmp_path, stopping_after(5), known=("baikal", known))


@pytest.mark.parametrize(
    ("family", "setting"),
    [
        ("glo", {"order": 4}),
        ("glo", {"inputs": ("y", "h", "f")}),
        ("glo", {"parameters": "canonical"}),
        ("glo", {"sigma": 1.0}),
        ("glo", {"on_violation": "resample"}),
        ("taylor", {"stage": "trees"}),
        ("taylor", {"known": ("baikal",)}),
    ],
)
def test_settings_of_the_other_family_are_refused(family: str, setting: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"no {next(iter(setting))} with family='{family}'"):
        LossSearch(family=family, **setting)  # type: ignore[arg-type]


def test_trees_begin_nowhere_near_cross_entropy() -> None:
    with pytest.raises(SettingsError, match="start out of auto, zeros with family='glo'"):
        LossSearch(family="glo", start="cross_entropy")
