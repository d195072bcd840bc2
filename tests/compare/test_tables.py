"""Tables a terminal can show."""

from collections.abc import Sequence

import pytest

from glo_lightning.compare.comparison import Comparison, compare_losses, compare_metrics
from glo_lightning.compare.tables import render, verdict_sentences
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Run, Status


def _comparison(mean: float, spread: float, mode: str = "max") -> Comparison:
    class Scripted:
        def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
            means = {"cross_entropy": 0.9, "mean_squared_error": mean}
            offsets = {1: -spread, 2: 0.0, 3: spread}
            return [Evaluation(means[run.loss.family] + offsets[run.seed], Status.COMPLETED) for run in runs]

    losses = {"cross-entropy": CrossEntropyLoss(), "discovered": MeanSquaredErrorLoss()}
    return compare_losses(losses, Scripted(), Monitor("val_accuracy", mode), (1, 2, 3))


@pytest.mark.parametrize(
    ("mean", "spread", "mode", "verdict"),
    [
        (0.95, 0.001, "max", "beats"),
        (0.95, 0.001, "min", "is worse than"),
        (0.85, 0.001, "max", "is worse than"),
        (0.85, 0.001, "min", "beats"),
        (0.95, 0.20, "max", "does not beat"),
        (0.85, 0.20, "max", "does not beat"),
    ],
)
def test_the_sentence_says_who_won(mean: float, spread: float, mode: str, verdict: str) -> None:
    (sentence,) = verdict_sentences(_comparison(mean, spread, mode), "discovered")
    assert f"The discovered loss {verdict} cross-entropy" in sentence
    assert "p = " in sentence


def test_trainings_that_diverged_are_told() -> None:
    metrics = [(0.9, 0.91, 0.92), (0.0, 0.0, 0.95)]
    comparison = compare_metrics(["cross-entropy", "discovered"], metrics, [0, 2], Monitor(), (1, 2, 3))
    _, sentence = verdict_sentences(comparison, "discovered")
    assert sentence == "discovered: 2 of 3 trainings diverged, and count with the worst metric, 0."


def test_the_table_fits_80_columns_and_holds_the_numbers() -> None:
    text = render(_comparison(0.9512, 0.01), "discovered")
    table, _, sentences = text.partition("The discovered loss")
    assert max(map(len, table.splitlines())) <= 80
    assert sentences.count("\n") == 1, "which are not broken: only a terminal knows where"
    for part in ("0.9512 ± 0.0100", "+0.0512 [", "3 seeds each", "test split"):
        assert part in text
