"""What is said of losses of real-valued predictions, against their formulas."""

import json
import math
from pathlib import Path

import pytest
import torch

from glo_lightning.losses import (
    AbsoluteErrorLoss,
    HuberLoss,
    LogCoshLoss,
    Loss,
    QuantileLoss,
    ResidualLoss,
    ScaledLoss,
    save_loss,
)
from glo_lightning.theory import influence, summarize_influence
from glo_lightning.theory.command import main

TAILS: list[tuple[Loss, str, float]] = [
    (ResidualLoss(), "grows", math.inf),
    (ResidualLoss(1.2), "grows", math.inf),
    (ResidualLoss(1.0), "bounded", math.inf),
    (AbsoluteErrorLoss(), "bounded", math.inf),
    (HuberLoss(2.0), "bounded", math.inf),
    (LogCoshLoss(), "bounded", math.inf),
    (QuantileLoss(0.7), "bounded", math.inf),
    # r (1 + (r/c)^2)^((a-2)/2) is greatest at c / sqrt(1 - a)
    (ResidualLoss(0.0, 3.0), "redescends", 3.0),
    (ResidualLoss(-3.0, 3.0), "redescends", 1.5),
    (ScaledLoss(ResidualLoss(-8.0), 5.0), "redescends", 1.0 / 3.0),
    (ResidualLoss(-64.0), "redescends", 1.0 / math.sqrt(65.0)),
]


@pytest.mark.parametrize(("loss", "tail", "strongest"), TAILS, ids=lambda each: str(each)[:40])
def test_what_becomes_of_outliers(loss: Loss, tail: str, strongest: float) -> None:
    summary = summarize_influence(loss)
    assert summary.tail == tail
    assert summary.strongest == pytest.approx(strongest, rel=0.01)


def test_both_sides_are_compared() -> None:
    assert summarize_influence(ResidualLoss(1.0, skew=0.2)).asymmetry == pytest.approx(1.2 / 0.8)
    assert summarize_influence(QuantileLoss(0.9)).asymmetry == pytest.approx(0.1 / 0.9)


def test_a_constant_multiplies_the_influence() -> None:
    r = torch.linspace(-4.0, 4.0, 9, dtype=torch.float64)
    loss = HuberLoss(1.0, sigma=50.0)
    torch.testing.assert_close(influence(ScaledLoss(loss, 3.0), r), 3.0 * r.clamp(-1.0, 1.0))


def test_the_command_tells_them_from_losses_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_loss(ResidualLoss(-2.0, 0.5, sigma=77.1), tmp_path / "mine.json")
    output = tmp_path / "out"
    assert main(["huber", str(tmp_path / "mine.json"), "cross_entropy", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    for words in ("rests", "ψ(−3)", "bounded", "redescends", "r = (f − y)/77.1", "−Σᵢ yᵢ·log(hᵢ)"):
        assert words in printed
    content = json.loads((output / "theory.json").read_text())
    assert content["mine"]["tail"] == "redescends"
    assert content["mine"]["influence"]["1.0"] == pytest.approx(0.04)
    assert content["huber"]["strongest"] == "inf"
    assert content["cross_entropy"]["trainability"]["exact"] is True
    names = {"theory.json", "influence.png", "shapes.png", "attraction.png", "start.png"}
    assert {path.name for path in output.iterdir()} == names
    assert main(["quantile", "--output", str(tmp_path / "alone")]) == 0
    assert {path.name for path in (tmp_path / "alone").iterdir()} == {"theory.json", "influence.png"}
