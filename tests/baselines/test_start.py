"""``start="baselines"``: a search begins from the best loss of its family that was trained before it."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule

from glo_lightning import LossSearch
from glo_lightning.errors import GloError
from glo_lightning.losses import DriveLoss, known_losses
from tests.search.toy import TRAINER, ToyData, ToyModel

SEARCH = LossSearch(
    study_name="toy", family="drive", generations=1, population_size=6, comparison_seeds=0,
    finalist_seeds=1, finalists=1, start="baselines", known_first=False, evaluator="trainer",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(*rows: tuple[str, float], folder: str = "runs/toy", **changes: Any) -> None:
    known = known_losses(3)
    content = {
        "outputs": "softmax",
        "monitor": "val_accuracy",
        "rows": [{"name": name, "loss": known[name].loss.to_dict(), "rate": rate} for name, rate in rows],
        **changes,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "baselines.json").write_text(json.dumps(content))


def _offsets(search: LossSearch, model: Callable[[], LightningModule]) -> list[dict[str, float]]:
    """Return how far all candidates but the first are from those of a search from cross-entropy with the same draws."""
    usual = replace(search, start="zeros", storage="memory", output_dir="usual").run(model, ToyData(), TRAINER)
    found = search.run(model, ToyData(), TRAINER)
    pairs = zip(usual.study.trials[1:], found.study.trials[1:], strict=True)
    return [{name: value - first.params[name] for name, value in second.params.items()} for first, second in pairs]


def test_the_first_generation_is_around_the_best_of_the_family(caplog: pytest.LogCaptureFixture) -> None:
    _write(("dice", 1.0), ("generalised_cross_entropy", 3.0), ("cross_entropy", 1.0))
    start = DriveLoss.like("gce", 3)
    expected = {"log_scale": math.log(3.0 * float(start.scale)), "q": 0.7, "g": 0.0, "c_1": 0.0, "c_2": 0.0}
    for offsets in _offsets(SEARCH, ToyModel):
        assert offsets == pytest.approx(expected)
    (opening,) = SEARCH.run(ToyModel, ToyData(), TRAINER).study.trials[:1]
    assert opening.params == pytest.approx(expected), "the best itself is the first candidate"
    told = "beginning from generalised_cross_entropy, learning rate × 3 (dice is ahead of it and no drive loss)"
    assert told in caplog.text


def test_a_search_goes_on_from_the_same_start_or_not_at_all() -> None:
    _write(("generalised_cross_entropy", 3.0))
    SEARCH.run(ToyModel, ToyData(), TRAINER)
    longer = replace(SEARCH, generations=2)
    assert len(longer.run(ToyModel, ToyData(), TRAINER).study.trials) == 12
    _write(("cross_entropy", 1.0))
    with pytest.raises(GloError, match="start_point"):
        longer.run(ToyModel, ToyData(), TRAINER)
    with pytest.raises(GloError, match="start 'baselines'"):
        replace(longer, start="zeros").run(ToyModel, ToyData(), TRAINER)


class AdamModel(ToyModel):
    """Scales of losses are nothing to its optimizer."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.01)


def test_where_the_learning_rate_is_searched_it_begins_there() -> None:
    _write(("generalised_cross_entropy", 3.0))
    usual = replace(SEARCH, start="zeros", output_dir="usual").run(AdamModel, ToyData(), TRAINER)
    found = SEARCH.run(AdamModel, ToyData(), TRAINER)
    for first, second in zip(usual.study.trials[1:], found.study.trials[1:], strict=True):
        ratio = second.params["learning_rate_factor"] / first.params["learning_rate_factor"]
        assert ratio == pytest.approx(3.0 * float(DriveLoss.like("gce", 3).scale))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "python -m glo_lightning.baselines"),
        ("{", "Remove it"),
        ('{"outputs": "softmax", "monitor": "val_accuracy", "rows": [{"name": "x"}]}', "Remove it"),
        ('{"outputs": "softmax", "monitor": "val_accuracy", "rows": []}', "a loss of the drive family"),
        ('{"outputs": "real", "monitor": "val_mae", "rows": []}', "baselines of softmax outputs by val_accuracy"),
    ],
)
def test_without_what_it_begins_from_it_is_refused(content: str | None, expected: str) -> None:
    if content is not None:
        Path("runs/toy").mkdir(parents=True)
        Path("runs/toy/baselines.json").write_text(content)
    with pytest.raises(GloError, match=expected):
        SEARCH.run(ToyModel, ToyData(), TRAINER)


def test_a_family_without_such_losses_is_refused() -> None:
    with pytest.raises(GloError, match="family='drive' or family='residual'"):
        LossSearch(start="baselines")
    with pytest.raises(GloError, match="start out of auto, zeros with family='glo'"):
        LossSearch(start="baselines", family="glo")
