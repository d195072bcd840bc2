"""Where a search learns nothing about its candidates, none of them becomes a winner."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from glo_lightning.cli.main import main
from glo_lightning.dashboard.note import write_note
from glo_lightning.errors import StudyError
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.records.verdict import STORED
from tests.search.toy import TRAINER, DivergingModel, ToyData, ToyModel, UnlearningModel

SMALL = {
    "generations": 2, "population_size": 4, "invariant": "none", "monitor": "val_loss", "mode": "min", "finalists": 2,
    "finalist_seeds": 2, "comparison_seeds": 2, "comparison_epochs": 4, "rival_budget": 0,
    "evaluator": "trainer", "study_name": "toy",
}  # fmt: skip


class LateDivergingModel(DivergingModel):
    """Survives the two epochs of a candidate's training, and not those of a full one."""

    first_epoch = 2


class FrozenModel(ToyModel):
    """Learns nothing."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def _search(folder: Path, model: Any, **changes: Any) -> SearchResult:
    return LossSearch(**{**SMALL, "output_dir": str(folder), **changes}).run(model, ToyData(), TRAINER)


def _leaves_no_winner(folder: Path) -> None:
    assert not (folder / "best_loss.json").exists()
    assert not (folder / "comparison.json").exists()
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{folder / 'study.db'}")
    assert STORED not in study.user_attrs


def test_everything_diverged(tmp_path: Path) -> None:
    reason = "8 that diverged, most of them: training loss was not finite at step 4; and 0 that were stopped before"
    with pytest.raises(StudyError, match=reason):
        _search(tmp_path, DivergingModel)
    _leaves_no_winner(tmp_path)
    archive = Archive.open(tmp_path)
    assert archive.leader is None
    for told in (build_page(archive), write_note(archive.study)):
        assert "1000000" not in told
        assert "1e+06" not in told


def test_everything_diverged_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {**SMALL, "comparison_seeds": 2, "output_dir": "out"}
    arguments = [f"--search.{name}={value}" for name, value in options.items()]
    task = [
        "--model=tests.search.toy.DivergingModel", "--data=tests.search.toy.ToyData",
        "--trainer.accelerator=cpu", "--trainer.max_epochs=2",
    ]  # fmt: skip
    assert main(["search", *arguments, *task]) == 2
    out, err = capsys.readouterr()
    assert "training loss was not finite at step 4" in err
    assert "Traceback" not in err
    assert "discovered" not in out
    _leaves_no_winner(Path("out"))


def test_equal_candidates_are_nothing_to_choose_by(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"differ in val_loss, got 8 that all have .* nothing to choose by"):
        _search(tmp_path, FrozenModel)
    _leaves_no_winner(tmp_path)


def test_equal_candidates_are_told_from_each_other_by_fresh_seeds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class SlowStarter(ToyModel):
        """Learns nothing from the seed of the search, and from fresh seeds as others do."""

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1 if torch.initial_seed() else 0.0)

    result = _search(tmp_path, SlowStarter)
    archive = Archive.open(tmp_path)
    assert len({each.metric for each in archive.stages["toy"]}) == 1
    assert archive.verdict is not None
    first, second = archive.verdict.finalists
    assert first.mean < second.mean
    assert result.discovered_loss.to_dict() == archive.build(archive.leader).to_dict()  # type: ignore[arg-type]
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [each for each in told if "All candidates of the first generation have the same val_loss" in each]


def test_a_winner_that_learnt_nothing_is_warned_of_everywhere(tmp_path: Path) -> None:
    result = _search(tmp_path, UnlearningModel, monitor="val_forgotten")
    assert result.warning.startswith("WARNING: nothing was learnt. The best candidate has val_forgotten 4.")
    assert "and a model after one batch 1." in result.warning
    archive = Archive.open(tmp_path)
    stored = json.loads((tmp_path / "comparison.json").read_text())
    for told in (str(result), build_page(archive), write_note(archive.study), stored["warning"]):
        assert "nothing was learnt" in told
    assert _search(tmp_path / "well", ToyModel).warning == ""


def test_a_comparison_in_which_everything_diverged_claims_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"6 that all diverged, most of them: training loss was not finite at step 5"):
        _search(tmp_path, LateDivergingModel)
    _leaves_no_winner(tmp_path)


def test_finalists_that_all_diverge_with_fresh_seeds_claim_nothing(tmp_path: Path) -> None:
    class Unlucky(DivergingModel):
        def __init__(self) -> None:
            super().__init__()
            self.first_epoch = 0 if torch.initial_seed() else 9

    with pytest.raises(StudyError, match="4 that all diverged, most of them: training loss was not finite at step 4"):
        _search(tmp_path, Unlucky)
    _leaves_no_winner(tmp_path)


def test_one_diverged_finalist_looks_like_no_measurement(tmp_path: Path) -> None:
    class Unlucky(DivergingModel):
        def __init__(self) -> None:
            super().__init__()
            self.first_epoch = 0 if torch.initial_seed() and torch.initial_seed() % 3 == 0 else 9

    result = _search(tmp_path, Unlucky, finalist_seeds=4, comparison_seeds=4)
    archive = Archive.open(tmp_path)
    assert archive.verdict is not None
    finalists = archive.verdict.finalists
    assert all(0 < sum(map(bool, each.divergences)) < 4 for each in finalists)
    page = build_page(archive)
    assert "Trainings that diverged count with the worst metric, 1e+06." in " ".join(page.split())
    assert "1000000" not in page
    assert "discovered †" in str(result)
    assert "trainings diverged (training loss was not finite at step 4)" in " ".join(str(result).split())
