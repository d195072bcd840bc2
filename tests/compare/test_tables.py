"""Tables a terminal can show."""

from collections.abc import Sequence

import pytest
from scipy.stats import ttest_ind

from glo_lightning.compare.comparison import Comparison, compare_losses, compare_metrics
from glo_lightning.compare.statistics import holm
from glo_lightning.compare.tables import comparison_markdown, comparison_rows, render, verdict_sentences
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
    return compare_losses(losses, Scripted(), Monitor("val_accuracy", mode), (1, 2, 3), focus="discovered")


@pytest.mark.parametrize(
    ("mean", "spread", "mode", "verdict"),
    [
        (0.95, 0.001, "max", "beats"),
        (0.95, 0.001, "min", "is worse than"),
        (0.85, 0.001, "max", "is worse than"),
        (0.85, 0.001, "min", "beats"),
        (0.95, 0.20, "max", "cannot be told apart from"),
        (0.85, 0.20, "max", "cannot be told apart from"),
    ],
)
def test_the_sentence_says_who_won(mean: float, spread: float, mode: str, verdict: str) -> None:
    (sentence,) = verdict_sentences(_comparison(mean, spread, mode))
    assert f"The discovered loss {verdict} cross-entropy" in sentence
    assert "p = " in sentence


def test_trainings_that_diverged_are_told() -> None:
    comparison = _diverged({"cross-entropy": ("", "", ""), "discovered": ("at step 4", "at step 4", "")})
    verdict, sentence = verdict_sentences(comparison)
    assert "cannot be told apart" in verdict
    assert sentence == ("discovered †: 2 of 3 trainings diverged (at step 4), and count with the worst metric, 0.")
    assert "discovered †" in render(comparison)


@pytest.mark.parametrize("name", ["cross-entropy", "discovered"])
def test_a_loss_that_always_diverged_has_no_numbers_and_no_verdict(name: str) -> None:
    reasons = {**dict.fromkeys(("cross-entropy", "discovered"), ("", "", "")), name: ("at step 4",) * 3}
    comparison = _diverged(reasons)
    (sentence,) = verdict_sentences(comparison)
    assert sentence == f"{name}: all 3 trainings diverged (at step 4); it is compared with nothing."
    rows = {row[0]: row[1:] for row in comparison_rows(comparison)}
    assert rows[name] == ("diverged", "", "", "")
    (other,) = {"cross-entropy", "discovered"} - {name}
    assert rows[other][0].count("±") == 1
    assert rows[other][2:] == ("", "")
    for text in (render(comparison), comparison_markdown(comparison)):
        assert "1000000" not in text
        assert "1e+06" not in text


def _diverged(reasons: dict[str, tuple[str, ...]]) -> Comparison:
    metrics = {name: [0.0 if why else 0.9 + k / 100 for k, why in enumerate(own)] for name, own in reasons.items()}
    return compare_metrics(metrics, Monitor(), (1, 2, 3), focus="discovered", divergences=reasons)


def test_many_seeds_and_a_narrow_interval_say_that_two_do_equally_well() -> None:
    spread = [0.9 + (-1) ** k * 0.01 for k in range(40)]
    metrics = {"cross-entropy": spread, "discovered": spread}
    comparison = compare_metrics(metrics, Monitor(), range(40), focus="discovered")
    (sentence,) = verdict_sentences(comparison)
    assert "does as well as cross-entropy with 40 seeds" in sentence


def test_the_same_p_stands_in_table_and_sentence_and_it_is_holms() -> None:
    metrics = {"cross-entropy": (0.90, 0.91, 0.93), "twin": (0.93, 0.92, 0.95), "discovered": (0.95, 0.94, 0.97)}
    comparison = compare_metrics(metrics, Monitor(), (1, 2, 3), focus="discovered")
    pairs = [("discovered", "cross-entropy"), ("discovered", "twin"), ("twin", "cross-entropy")]
    raw = [ttest_ind(metrics[name], metrics[other], equal_var=False).pvalue for name, other in pairs]
    first, second, third = (f"{p_value:.4f}" for p_value in holm(raw))
    rows, sentences = comparison_rows(comparison), verdict_sentences(comparison)
    assert (rows[1][3], rows[2][3]) == (third, first)
    assert f"p = {first})" in sentences[0]
    assert f"p = {second})" in sentences[1]
    lines = comparison_markdown(comparison).splitlines()
    assert lines[0] == "accuracy on the test split, 3 seeds each:"
    assert [len(line.split("|")) for line in lines[2:]] == [7] * 5


def test_large_metrics_fit_80_columns() -> None:
    metrics = {"cross-entropy": (12345.678, 0.5, 1e6), "discovered": (1e6, 1e6, 0.25)}
    comparison = compare_metrics(metrics, Monitor("val_loss", "min"), (1, 2, 3), focus="discovered")
    table = render(comparison).partition("The discovered loss")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_the_table_fits_80_columns_and_holds_the_numbers() -> None:
    text = render(_comparison(0.9512, 0.01))
    table, _, sentences = text.partition("The discovered loss")
    assert max(map(len, table.splitlines())) <= 80
    assert sentences.count("\n") == 1, "which are not broken: only a terminal knows where"
    for part in ("0.9512 ± 0.0100", "+0.0512 [", "3 seeds each", "test split"):
        assert part in text
