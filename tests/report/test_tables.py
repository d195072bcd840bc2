"""Tables a terminal can show."""

import pytest

from glo_lightning.evaluation.comparison import Comparison, LossResult
from glo_lightning.report.tables import render, verdict_sentence
from glo_lightning.training.evaluation import Monitor


def _comparison(mean: float, p_value: float, mode: str = "max") -> Comparison:
    baseline = LossResult("cross-entropy", (0.9, 0.9), 0, 0.9, 0.01)
    difference = mean - 0.9
    other = LossResult(
        "discovered", (mean, mean), 0, mean, 0.01, difference, difference - 0.01, difference + 0.01, p_value
    )
    return Comparison(Monitor("val_accuracy", mode), "test", (1, 2), 4, (baseline, other))


@pytest.mark.parametrize(
    ("mean", "p_value", "mode", "verdict"),
    [
        (0.95, 0.01, "max", "beats"),
        (0.95, 0.01, "min", "is worse than"),
        (0.85, 0.01, "max", "is worse than"),
        (0.85, 0.01, "min", "beats"),
        (0.95, 0.20, "max", "does not beat"),
        (0.85, 0.20, "max", "does not beat"),
    ],
)
def test_the_sentence_says_who_won_and_how_sure_that_is(mean: float, p_value: float, mode: str, verdict: str) -> None:
    sentence = verdict_sentence(_comparison(mean, p_value, mode), "discovered")
    assert f"The discovered loss {verdict} cross-entropy" in sentence
    assert f"p = {p_value:.4f}" in sentence


def test_the_table_fits_80_columns_and_holds_the_numbers() -> None:
    text = render(_comparison(0.9512, 0.00001), "discovered")
    assert max(map(len, text.splitlines())) <= 80
    for part in ("0.9512 ± 0.0100", "+0.0512 [+0.0412, +0.0612]", "1e-05", "2 seeds each", "test split"):
        assert part in text
