"""Searches from Python, on real digits."""

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import GloError, LossError, SettingsError, StudyError
from glo_lightning.losses import TaylorLoss, load_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch, SearchResult
from glo_lightning.search.exploration import evaluators
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.theory import trainability

CPU = {"accelerator": "cpu", "max_epochs": 1}


def _search(folder: Path, **settings: object) -> LossSearch:
    small = {
        "generations": 3, "population_size": 6, "finalists": 2, "finalist_seeds": 1, "comparison_seeds": 0,
        "rival_budget": 0, "output_dir": str(folder),
    }  # fmt: skip
    return LossSearch(**{**small, **settings})


def _run(search: LossSearch) -> SearchResult:
    return search.run(lambda: Classifier(mlp(hidden=(8,))), DigitsDataModule(), CPU)


def test_every_candidate_has_a_verdict_and_violators_never_train(tmp_path: Path) -> None:
    result = _run(_search(tmp_path, parameters="theta"))
    candidates = read_candidates(result.study)
    assert [(c.generation, c.index) for c in candidates] == [(g, k) for g in range(3) for k in range(6)]
    for candidate in candidates:
        loss = TaylorLoss([candidate.parameters[f"theta_{k}"] for k in range(8)])
        verdict = trainability(loss, 10)
        assert candidate.theory["drive"] == pytest.approx(verdict.drive)
        if verdict.exact:
            assert candidate.metric is not None
        else:
            assert candidate.status == "violated"
            assert candidate.metric is None
            assert "drive" in candidate.reason
    assert any(c.status == "violated" for c in candidates)
    assert result.to_frame().shape[0] == 18


def test_resampling_trains_every_candidate(tmp_path: Path) -> None:
    result = _run(_search(tmp_path, on_violation="resample", invariant="stable"))
    candidates = read_candidates(result.study)
    assert all(c.theory["stable"] and c.metric is not None for c in candidates)


@pytest.mark.parametrize(
    ("evaluator", "stop_after"),
    [("trainer", 1), ("trainer", 7), ("trainer", 13), ("population", 3), ("population", 4)],
)
def test_a_search_stopped_anywhere_and_resumed_finds_the_same(tmp_path: Path, evaluator: str, stop_after: int) -> None:
    whole = _run(_search(tmp_path / "whole", study_name="whole", evaluator=evaluator))

    count = 0

    def build() -> Classifier:
        nonlocal count
        count += 1
        if count > stop_after:
            raise KeyboardInterrupt
        return Classifier(mlp(hidden=(8,)))

    search = _search(tmp_path / "parts", study_name="parts", evaluator=evaluator)
    with pytest.raises(KeyboardInterrupt):
        search.run(build, DigitsDataModule(), CPU)
    count = -10_000
    resumed = search.run(build, DigitsDataModule(), CPU)
    expected = [(c.parameters, c.metric) for c in read_candidates(whole.study)]
    assert [(c.parameters, c.metric) for c in read_candidates(resumed.study)] == expected
    assert resumed.discovered_loss.to_dict() == whole.discovered_loss.to_dict()


def test_both_evaluators_find_the_same(tmp_path: Path) -> None:
    results = []
    for evaluator in ("trainer", "population"):
        search = _search(tmp_path / evaluator, study_name=evaluator, evaluator=evaluator, comparison_seeds=2)
        model = lambda: Classifier(mlp(hidden=(8,)))  # noqa: E731
        results.append(search.run(model, DigitsDataModule(), {**CPU, "precision": "64-true"}))
    by_trainer, by_population = results
    assert [(c.parameters, c.metric) for c in read_candidates(by_trainer.study)] == [
        (c.parameters, c.metric) for c in read_candidates(by_population.study)
    ]
    assert by_trainer.comparison == by_population.comparison


def test_auto_stays_with_what_it_chose_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(_search(tmp_path, generations=1))
    chosen = result.study.user_attrs["evaluator"]
    assert chosen in ("trainer", "population")
    monkeypatch.setattr(evaluators, "choose_evaluator", lambda *arguments: "the other")
    again = _run(_search(tmp_path, generations=2))
    assert again.study.user_attrs["evaluator"] == chosen
    assert len(read_candidates(again.study)) == 12


@pytest.mark.parametrize("storage", ["memory", None])
def test_a_search_that_is_stopped_tells_how_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str | None
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluators.EvaluatorFactory, "make", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _run(_search(tmp_path, storage=storage))
    assert Configuration.read(tmp_path).settings.evaluator in ("trainer", "population")


def test_the_comparison_is_stored_and_not_repeated(tmp_path: Path) -> None:
    search = _search(tmp_path, generations=1, comparison_seeds=2, comparison_epochs=1)
    first = _run(search)
    assert first.comparison is not None
    names = [result.name for result in first.comparison.results]
    drive = trainability(first.discovered_loss, 10).drive
    assert names == ["cross-entropy", f"cross-entropy × {drive / 10:.3g}", "discovered"]
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert stored["comparison"]["split"] == "test"
    assert load_loss(tmp_path / "discovered_loss.json").to_dict() == first.discovered_loss.to_dict()

    def never() -> Classifier:
        raise AssertionError("a finished search trains nothing but the probes")

    probes = 0

    def once() -> Classifier:
        nonlocal probes
        probes += 1
        return Classifier(mlp(hidden=(8,))) if probes <= 4 else never()

    again = search.run(once, DigitsDataModule(), CPU)
    assert again.comparison == first.comparison


def test_the_test_split_is_opened_by_the_comparison_alone(tmp_path: Path) -> None:
    class Guarded(DigitsDataModule):
        opened = 0

        def test_dataloader(self):  # type: ignore[no-untyped-def]
            Guarded.opened += 1
            return super().test_dataloader()

    def run(seeds: int) -> None:
        search = _search(tmp_path, generations=1, comparison_seeds=seeds, comparison_epochs=1)
        search.run(lambda: Classifier(mlp(hidden=(8,))), Guarded(), CPU)

    run(0)
    assert Guarded.opened == 0
    run(2)
    assert Guarded.opened > 0


def test_labels_out_of_range_are_refused_before_training(tmp_path: Path) -> None:
    class Seven(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
            self.loss_fn = nn.CrossEntropyLoss()

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return self.loss_fn(self.net(batch[0]), batch[1])

        def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            self.log("val_accuracy", (self.net(batch[0]).argmax(-1) == batch[1]).float().mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    with pytest.raises(LossError, match=r"labels in 0\.\.6"):
        _search(tmp_path).run(Seven, DigitsDataModule(), CPU)


def test_a_model_that_always_crashes_ends_the_search_with_its_reason(tmp_path: Path) -> None:
    built = 0

    def build() -> Classifier:
        nonlocal built
        built += 1
        if built > 3:  # the checks pass
            raise RuntimeError("the disk with the pretrained weights is gone")
        return Classifier(mlp(hidden=(8,)))

    with pytest.raises(StudyError, match="pretrained weights is gone"):
        _search(tmp_path).run(build, DigitsDataModule(), CPU)


class Doubtful(Classifier):
    """Logs a metric below zero, far below once it has trained for long, and diverges where its loss is negative."""

    def __init__(self) -> None:
        super().__init__(mlp(hidden=(8,)))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * float("nan") if loss < 0.0 else loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        error = (self(batch[0]).argmax(-1) != batch[1]).float().mean()
        self.log("val_below", -error - (10.0 if self.trainer.global_step > 1 else 1.0))


def test_a_metric_below_zero_needs_to_be_told_its_worst(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"val_below that is never worse .* 0, got -1\.\d+ of the untrained"):
        _search(tmp_path, monitor="val_below").run(Doubtful, DigitsDataModule(), CPU)


def test_what_diverged_is_never_preferred_to_what_trained(tmp_path: Path) -> None:
    search = _search(tmp_path, monitor="val_below", worst_metric=-5.0, start="zeros", comparison_seeds=0, finalists=8)
    records = read_candidates(search.run(Doubtful, DigitsDataModule(), CPU).study)
    stored = json.loads((tmp_path / "comparison.json").read_text())
    diverged = {record.trial for record in records if record.status == "diverged"}
    trained = {record.trial for record in records if record.status == "completed"}
    assert diverged
    assert trained
    assert all(record.metric is not None and record.metric < -5.0 for record in records if record.trial in trained)
    chosen = {finalist["trial"] for finalist in stored["finalists"]}
    assert chosen <= trained


def test_a_crash_in_the_comparison_has_no_say_and_is_made_up_for(tmp_path: Path) -> None:
    class Fragile(Classifier):
        broken = True

        def __init__(self) -> None:
            super().__init__(mlp(hidden=(8,)))

        def on_test_start(self) -> None:
            if Fragile.broken and torch.initial_seed() % 2:
                raise RuntimeError("no memory left")

    def judge() -> SearchResult:
        search = _search(tmp_path, generations=1, comparison_seeds=6, comparison_epochs=1, evaluator="trainer")
        return search.run(Fragile, DigitsDataModule(), CPU)

    with pytest.raises(StudyError, match=r"of 18 that crashed, the last: RuntimeError: no memory left"):
        judge()
    Fragile.broken = False
    comparison = judge().comparison
    assert comparison is not None
    assert all(metric > 0.05 for result in comparison.results for metric in result.metrics)


def test_another_task_under_the_same_name_is_refused(tmp_path: Path) -> None:
    _run(_search(tmp_path, generations=1))
    with pytest.raises(GloError, match="num_weights"):
        _search(tmp_path, generations=1).run(lambda: Classifier(mlp(hidden=(9,))), DigitsDataModule(), CPU)
