"""The verdict's rivals: what the model has of its own, and what was tuned or known before."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import nn

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.tables import render
from glo_lightning.dashboard.note import write_note
from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss, known_losses, load_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch
from glo_lightning.search.ranges import Range
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.records.verdict import read_verdict
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

SMALL: dict[str, Any] = {
    "generations": 2, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 2,
    "finalist_seeds": 2, "comparison_seeds": 3, "comparison_epochs": 2, "rival_budget": 0,
    "evaluator": "trainer", "study_name": "toy",
}  # fmt: skip
CPU = {"max_epochs": 1, "accelerator": "cpu"}


class WeightedModel(ToyModel):
    """Has a loss of its own, which candidates do without."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([3.0, 1.0, 0.5]))


class AdamModel(ToyModel):
    """Has an optimizer for which a factor of the loss is none of the learning rate, which is searched instead."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.01)


def smoothing_classifier() -> Classifier:
    model = Classifier(mlp(hidden=(8,)))
    model.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.3)
    return model


def compare(folder: Path, model: Any, **changes: Any) -> Comparison:
    comparison = LossSearch(**{**SMALL, "output_dir": str(folder), **changes}).run(model, ToyData(), TRAINER).comparison
    assert comparison is not None
    return comparison


def test_a_users_weighted_loss_is_a_row_that_trains_as_lightning_alone_would(tmp_path: Path) -> None:
    comparison = compare(tmp_path, WeightedModel)
    assert [result.name for result in comparison.results][:2] == ["cross-entropy", "your loss"]
    assert comparison.own == "your loss"
    by_lightning = []
    for seed in comparison.seeds:
        seed_everything(seed, workers=True, verbose=False)
        model, data = WeightedModel(), ToyData()
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = Trainer(**TRAINER, **quiet, enable_model_summary=False, num_sanity_val_steps=0)
        trainer.fit(model, data)
        data.setup("test")
        (metrics,) = trainer.validate(model, data.test_dataloader(), verbose=False)
        by_lightning.append(metrics["val_loss"])
    assert list(comparison.result("your loss").metrics) == pytest.approx(by_lightning, rel=1e-6)


def test_where_the_model_has_cross_entropy_one_row_says_both(tmp_path: Path) -> None:
    comparison = compare(tmp_path, ToyModel)
    assert comparison.own == "cross-entropy"
    assert "your loss" not in [result.name for result in comparison.results]


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
def test_every_evaluator_trains_with_the_models_own_loss(evaluator: Any) -> None:
    task = python_task(smoothing_classifier, DigitsDataModule(), {**CPU, "precision": "64-true"})
    losses = [CrossEntropyLoss(label_smoothing=0.3), None, CrossEntropyLoss()]
    same, own, other = evaluator(task, Monitor("val_loss", "min")).evaluate([Run(loss, 1) for loss in losses])
    assert own.status is Status.COMPLETED
    assert own.metric == pytest.approx(same.metric, rel=1e-9)
    assert own.metric != pytest.approx(other.metric, rel=1e-3)


RIVALS = {"rival_budget": 1.0}


def result_of(folder: Path, model: Any = ToyModel, data: Any = None, **changes: Any) -> SearchResult:
    settings = {**SMALL, **RIVALS, "output_dir": str(folder), **changes}
    return LossSearch(**settings).run(model, data or ToyData(), TRAINER)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return result_of(tmp_path_factory.mktemp("alone"))


def rows(comparison: Comparison | None) -> list[str]:
    assert comparison is not None
    return [result.name for result in comparison.results]


def rival_study(result: SearchResult) -> optuna.Study:
    return optuna.load_study(study_name="toy/rival", storage=storage_of(result.study))


def test_cross_entropy_is_tuned_with_as_many_trainings_and_a_known_loss_is_a_row(alone: SearchResult) -> None:
    names = rows(alone.comparison)
    assert names[0] == "cross-entropy"
    assert names[-3] == "cross-entropy, tuned"
    assert names[-2].startswith("best known: ")
    assert names[-1] == "discovered"
    assert len(read_candidates(rival_study(alone))) == len(read_candidates(alone.study)) == 8
    assert alone.comparison is not None
    costs = {result.name: result.origin.cost for result in alone.comparison.results}
    assert costs["discovered"] == costs["cross-entropy, tuned"] == 8 + 2 * 2
    assert costs[names[-2]] == len(known_losses(3)) - 1 + 2 * 2
    assert "cross-entropy tuned with as many trainings" in str(alone)
    assert "cross-entropy, tuned: learning rate × " in str(alone)


def test_the_best_known_loss_can_be_taken_home(alone: SearchResult) -> None:
    assert alone.best_known is not None
    stored = load_loss(alone.output_dir / "best_known.json")
    name = rows(alone.comparison)[-2].removeprefix("best known: ").replace(" ", "_")
    expected = known_losses(3)[name].loss.to_dict()
    assert stored.to_dict() == alone.best_known.to_dict() == read_verdict(alone.study).best_known.to_dict() == expected  # type: ignore[union-attr]
    assert "the best known loss best_known.json" in str(alone)


def test_the_rows_are_what_the_tuning_says_trained_with_the_seeds_of_the_comparison(alone: SearchResult) -> None:
    assert alone.comparison is not None
    result = alone.comparison.result("cross-entropy, tuned")
    finalists = sorted(read_candidates(rival_study(alone)), key=lambda each: each.metric or 0.0)[:2]
    task = python_task(ToyModel, ToyData(), TRAINER)
    evaluator = TrainerEvaluator(task, Monitor("val_loss", "min"), epochs=2, split="test")
    possible = []
    for finalist in finalists:
        smoothing = min(0.95, max(0.0, finalist.parameters["smoothing"]))
        factor = {"learning_rate_factor": finalist.parameters["learning_rate_factor"]}
        loss = CrossEntropyLoss(label_smoothing=smoothing)
        runs = [Run(loss, seed, hyperparameters=factor) for seed in alone.comparison.seeds]
        possible.append([each.metric for each in evaluator.evaluate(runs)])
    assert list(result.metrics) in possible


def test_a_learning_rate_that_is_wrong_by_orders_of_magnitude_is_mended(tmp_path: Path) -> None:
    settings = {"population_size": 8, "monitor": "val_accuracy", "mode": "max", "evaluator": "population"}
    for wrong in (30.0, 0.03):

        def build(rate: float = 0.3 * wrong) -> Classifier:
            return Classifier(mlp(hidden=(16,)), learning_rate=rate)

        search = LossSearch(**{**SMALL, **RIVALS, **settings}, output_dir=tmp_path / str(wrong))
        result = search.run(build, DigitsDataModule(), {**CPU, "max_epochs": 3})
        best = max(read_candidates(rival_study(result)), key=lambda each: each.metric or 0.0)
        assert 0.1 < best.parameters["learning_rate_factor"] * wrong < 10.0


def test_learning_rates_of_the_rival_keep_the_range_they_were_given(tmp_path: Path) -> None:
    joint = {"learning_rate_factor": Range(0.5, 2.0, log=True)}
    result = result_of(tmp_path, population_size=8, generations=1, family="drive", joint=joint)
    rates = [each.parameters["learning_rate_factor"] for each in read_candidates(rival_study(result))]
    assert len(rates) == 8
    assert (min(rates), max(rates)) == (0.5, 2.0)


def test_a_share_of_the_trainings_will_do_and_is_told(tmp_path: Path) -> None:
    result = result_of(tmp_path, generations=4, rival_budget=0.5)
    assert len(read_candidates(rival_study(result))) == 8
    assert "tuned with 12 instead of 20 trainings" in str(result)


def test_without_a_budget_the_verdict_says_that_nothing_was_tuned(tmp_path: Path) -> None:
    result = result_of(tmp_path, rival_budget=0)
    assert result.best_known is None
    assert "Cross-entropy was not tuned" in str(result)
    assert "toy/rival" not in optuna.get_all_study_names(storage_of(result.study))
    assert "cross-entropy, tuned" not in rows(result.comparison)


def test_three_workers_come_to_the_same_verdict(alone: SearchResult, tmp_path: Path) -> None:
    together = result_of(tmp_path, workers=3)
    assert together.comparison == alone.comparison
    assert together.best_loss.to_dict() == alone.best_loss.to_dict()
    assert (together.best_hyperparameters, together.advice) == (alone.best_hyperparameters, alone.advice)


@pytest.mark.parametrize("stop_after", [12, 16, 24, 36])
def test_a_search_that_was_stopped_comes_to_the_same_verdict(
    alone: SearchResult, stop_after: int, tmp_path: Path
) -> None:
    left = stop_after

    def build() -> ToyModel:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return ToyModel()

    with pytest.raises(KeyboardInterrupt):
        result_of(tmp_path, build)
    left = 1_000_000
    resumed = result_of(tmp_path, build)
    assert resumed.comparison == alone.comparison
    assert resumed.advice == alone.advice


def test_what_was_found_is_not_found_again(alone: SearchResult) -> None:
    built = 0

    def build() -> ToyModel:
        nonlocal built
        built += 1
        return ToyModel()

    again = result_of(alone.output_dir, build)
    assert again.comparison == alone.comparison
    assert again.advice == alone.advice
    assert built <= 4, "the checks"


def test_rivals_are_found_without_the_test_split(tmp_path: Path) -> None:
    opened: list[list[str]] = []

    class Guarded(ToyData):
        def test_dataloader(self) -> Any:
            opened.append(optuna.get_all_study_names(f"sqlite:///{tmp_path / 'study.db'}"))
            return super().test_dataloader()

    result_of(tmp_path, data=Guarded())
    begun = [names for names in opened if "toy" in names]  # before that, the checks ask whether splits share samples
    assert begun
    assert all(any("toy/comparison/" in name for name in names) for names in begun)


def test_where_classes_are_unbalanced_their_weights_are_tuned(tmp_path: Path) -> None:
    data = CorruptedDataModule(DigitsDataModule(batch_size=128), long_tail=20.0)
    settings = {"monitor": "val_balanced_accuracy", "mode": "max", "comparison_seeds": 2, "evaluator": "auto"}
    search = LossSearch(**{**SMALL, **RIVALS, **settings}, output_dir=tmp_path)
    result = search.run(lambda: Classifier(mlp(hidden=(8,))), data, CPU)
    assert set(read_candidates(rival_study(result))[0].parameters) == {
        "smoothing", "tau", "beta", "learning_rate_factor"
    }  # fmt: skip
    assert "tau " in str(result)


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_several_tasks_have_the_same_rivals(evaluator: str, tmp_path: Path) -> None:
    def task(hidden: int) -> Any:
        return python_task(lambda: Classifier(mlp(hidden=(hidden,))), DigitsDataModule(), CPU)

    settings = {**SMALL, **RIVALS, "evaluator": evaluator, "comparison_seeds": 2, "comparison_epochs": 1}
    result = LossSearch(**settings, output_dir=tmp_path).run_tasks({"narrow": task(4), "wide": task(8)})
    overall = rows(result.comparison)
    assert overall[0] == "cross-entropy"
    assert overall[-3] == "cross-entropy, tuned"
    assert overall[-2].startswith("best known: ")
    assert set(overall) <= set(rows(result.comparisons["narrow"]))


def test_the_report_the_dashboard_and_the_phases_know_the_rivals(alone: SearchResult) -> None:
    archive = Archive.open(alone.output_dir)
    told = [phase.title for phase in archive.phases()]
    for title in ("tuning the rival", "training the losses of the literature"):
        assert title in told
    page, note = build_page(archive), write_note(archive.study)
    for text in ("cross-entropy, tuned", "best known: ", "tuned with as many trainings"):
        assert text in page
        assert text in note
    assert "the tuned rival" in write_note(rival_study(alone)).splitlines()[0]
    assert "Trained as they are, cross-entropy has" in write_note(rival_study(alone)), "measured once for all stages"
    assert isinstance(space_of(rival_study(alone)), RivalSpace)


def test_a_loss_of_ones_own_that_fails_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Unfinished(ToyModel):
        def __init__(self) -> None:
            super().__init__()
            self.loss_fn = nn.BCEWithLogitsLoss()

    comparison = compare(tmp_path, Unfinished)
    assert comparison.own is None
    assert "your loss" not in rows(comparison)
    assert "(yours)" not in render(comparison)
    told = " ".join(caplog.text.split())
    assert "The model's own loss, BCEWithLogitsLoss, fails on the first batch (ValueError: Target size" in told


def test_a_winner_as_steep_as_cross_entropy_has_no_twin(tmp_path: Path) -> None:
    comparison = compare(tmp_path, AdamModel, family="drive", invariant="exact")
    assert [result.name for result in comparison.results] == ["cross-entropy", "cross-entropy, joint", "discovered"]
