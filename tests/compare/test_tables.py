"""Tables a terminal can show."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from scipy.stats import ttest_ind, ttest_rel

from glo_lightning.compare.comparison import Comparison, Origin, compare_losses, compare_metrics
from glo_lightning.compare.rivals import OWN, TUNED
from glo_lightning.compare.statistics import holm
from glo_lightning.compare.tables import (
    choice_sentence,
    columns,
    comparison_markdown,
    comparison_rows,
    headline,
    legend,
    render,
    verdict_sentences,
)
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.training.monitor import Mode, Monitor
from glo_lightning.training.run import Evaluation, Run, Status

TUNED_ROW = "cross-entropy" + TUNED


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
    comparison = _comparison(mean, spread, mode)
    sentence, resolution = verdict_sentences(comparison)
    assert sentence == headline(comparison)
    assert f"he discovered loss {verdict} cross-entropy" in sentence
    assert sentence.count("p = ") == 2
    assert resolution.startswith("These 3 seeds would have shown a difference of 0.")
    assert sentence.endswith(" Cross-entropy was not tuned, which may be all that a gain takes.")


def test_trainings_that_diverged_are_told() -> None:
    comparison = _diverged({"cross-entropy": ("", "", ""), "discovered": ("at step 4", "at step 4", "")})
    verdict, _, sentence = verdict_sentences(comparison)
    assert "cannot be told apart" in verdict
    assert sentence == ("discovered †: 2 of 3 trainings diverged (at step 4), and count with the worst metric, 0.")
    assert "discovered †" in render(comparison)


@pytest.mark.parametrize("name", ["cross-entropy", "discovered"])
def test_a_loss_that_always_diverged_has_no_numbers_and_no_verdict(name: str) -> None:
    reasons = {**dict.fromkeys(("cross-entropy", "discovered"), ("", "", "")), name: ("at step 4",) * 3}
    comparison = _diverged(reasons)
    first, sentence = verdict_sentences(comparison)
    assert first in (
        "The discovered loss diverged in every full training.",
        "All rivals of the discovered loss diverged in every full training.",
    )
    assert sentence == f"{name}: all 3 trainings diverged (at step 4); it is compared with nothing."
    rows = {row[0]: row[1:] for row in comparison_rows(comparison)}
    assert rows[name] == ("diverged", "", "", "0")
    (other,) = {"cross-entropy", "discovered"} - {name}
    assert rows[other][0].count("±") == 1
    assert rows[other][2:] == ("", "0")
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
    sentence = headline(comparison)
    assert "Within 40 seeds the discovered loss does as well as cross-entropy (" in sentence


def test_the_same_p_stands_in_table_and_sentence_and_it_is_holms() -> None:
    metrics = {"cross-entropy": (0.90, 0.91, 0.93), "twin": (0.92, 0.93, 0.95), "discovered": (0.95, 0.94, 0.97)}
    comparison = compare_metrics(metrics, Monitor(), (1, 2, 3), focus="discovered")
    rivals = ("cross-entropy", "twin")
    raw = [ttest_ind(metrics["discovered"], metrics[rival], equal_var=False).pvalue for rival in rivals]
    pairs = [ttest_rel(metrics["discovered"], metrics[rival]).pvalue for rival in rivals]
    first, second = (f"{p_value:.4f}" for p_value in holm(raw))
    rows, sentences = comparison_rows(comparison), verdict_sentences(comparison)
    assert [row[3] for row in rows] == [second, first, ""], "the strongest rival first"
    by_pairs = [f"{p_value:.4f}" if p_value >= 1e-4 else f"{p_value:.0e}" for p_value in holm(pairs)]
    assert f"twin (+0.0200 [{_ends(comparison, 'twin')}], p = {second}, paired p = {by_pairs[1]})" in (sentences[0])
    assert f"p = {first}, paired p = {by_pairs[0]})" in sentences[1]
    lines = comparison_markdown(comparison).splitlines()
    assert lines[0] == "accuracy on the test split, 3 seeds each:"
    assert [len(line.split("|")) for line in lines[2:]] == [7] * 5


def test_large_metrics_fit_80_columns() -> None:
    metrics = {"cross-entropy": (12345.678, 0.5, 1e6), "discovered": (1e6, 1e6, 0.25)}
    comparison = compare_metrics(metrics, Monitor("val_loss", "min"), (1, 2, 3), focus="discovered")
    table = render(comparison).partition("discovered loss")[0]
    assert columns(comparison)[-1] == "cost"
    assert max(map(len, table.splitlines())) <= 80


def test_the_table_fits_80_columns_and_holds_the_numbers() -> None:
    text = render(_comparison(0.9512, 0.01))
    table, _, sentences = text.partition("discovered loss")
    assert max(map(len, table.splitlines())) <= 80
    assert sentences.count("\n") == 2, "which are not broken: only a terminal knows where"
    for part in ("0.9512 ± 0.0100", "+0.0512 [", "3 seeds each", "test split"):
        assert part in text


def _ends(comparison: Comparison, rival: str) -> str:
    result = comparison.against("discovered", rival)
    return f"{result.low:+.4f}, {result.high:+.4f}"


def _verdict(means: dict[str, float], mode: str = "max", **told: Any) -> Comparison:
    metrics = {name: (mean - 0.01, mean, mean + 0.01) for name, mean in means.items()}
    return compare_metrics(metrics, Monitor("metric", mode), (1, 2, 3), epochs=4, focus="discovered", **told)


@pytest.mark.parametrize(
    ("means", "mode", "words"),
    [
        ((0.5, 0.7, 0.9), "max", "beats cross-entropy × 2 (+0.2000"),
        ((0.7, 0.5, 0.9), "max", "beats cross-entropy (+0.2000"),
        ((0.5, 0.4, 0.1), "min", "beats cross-entropy × 2 (-0.3000"),
        ((0.5, 0.9, 0.9), "max", "cannot be told apart from cross-entropy × 2 ("),
        ((0.5, 0.9, 0.5), "max", "worse than cross-entropy × 2 (-0.4000"),
        ((0.5, 0.4, 0.1), "max", "worse than cross-entropy (-0.4000"),
    ],
)
def test_the_headline_speaks_about_the_strongest_rival(means: tuple[float, ...], mode: str, words: str) -> None:
    comparison = _verdict(dict(zip(("cross-entropy", "cross-entropy × 2", "discovered"), means, strict=True)), mode)
    assert words in headline(comparison)


@pytest.mark.parametrize(
    ("rival", "mean", "words"),
    [
        (" × 2", 0.9, "gains only by larger steps"),
        (" × 0.476", 0.9, "gains only by smaller steps"),
        (" × 10, 0.2", 0.9, "gains only by steps of another size"),
        (", joint", 0.9, "gains only by the hyperparameters found"),
        (", joint × 2", 0.9, "gains only by larger steps"),
        (", joint × 2", 0.8, ""),
    ],
)
def test_the_sentence_gives_the_reason_that_the_unbeaten_rival_stands_for(rival: str, mean: float, words: str) -> None:
    comparison = _verdict({"cross-entropy": 0.5, f"cross-entropy{rival}": mean, "discovered": 0.9})
    assert words in headline(comparison)
    assert ("Perhaps" in headline(comparison)) is bool(words)


def test_rows_are_compared_with_the_discovered_loss_and_say_what_they_cost_and_whose_they_are() -> None:
    means = {"cross-entropy": 0.5, OWN: 0.7, "discovered": 0.9}
    comparison = _verdict(means, own=OWN, origins={"discovered": Origin(400)})
    assert [row[0] for row in comparison_rows(comparison)] == [OWN, "cross-entropy", "discovered"]
    assert [row[-1] for row in comparison_rows(comparison)] == ["0", "0", "400"]
    assert comparison_rows(comparison)[0][2].startswith("-0.2000 [-0.2")
    assert comparison_rows(comparison)[2][2] == "reference"
    assert headline(comparison).startswith("The discovered loss beats your own loss (+0.2000")
    assert any(line.startswith("cost  trainings") for line in legend(comparison))
    plain = _verdict({"cross-entropy": 0.5, "discovered": 0.9}, own="cross-entropy")
    assert comparison_rows(plain)[0][0] == "cross-entropy (yours)"
    assert headline(plain).startswith("The discovered loss beats cross-entropy, which is your own loss (+0.4000")


def test_names_of_rows_that_do_not_say_it_are_explained() -> None:
    names = ("cross-entropy", "cross-entropy, joint", "cross-entropy, joint × 2", "discovered")
    joint, scaled, *_ = legend(_verdict(dict.fromkeys(names, 0.5)))
    assert joint.startswith("joint  with the learning rate")
    assert scaled.startswith("×  as steep at its start")
    varied = {"cross-entropy": (0.5, 0.6, 0.4), "discovered": (0.9, 0.91, 0.93)}
    plain = legend(compare_metrics(varied, Monitor(), (1, 2, 3), focus="discovered"))
    assert [line.split()[0] for line in plain] == ["p", "cost"]


def test_without_a_loss_in_focus_rows_are_compared_with_the_first_and_tell_effects() -> None:
    comparison = compare_metrics({"a": (0.1, 0.2), "b": (0.3, 0.4)}, Monitor(), (1, 2))
    assert columns(comparison)[-1] == "g"
    assert comparison_rows(comparison)[0][2:] == ("baseline", "", "")
    assert comparison_rows(comparison)[1][2].startswith("+0.2000")
    assert verdict_sentences(comparison) == []


@pytest.mark.parametrize(("cost", "words"), [(400, "as many"), (415, "as many"), (100, "100 instead of 400")])
def test_the_tuned_rival_is_told_with_what_it_took_and_what_it_is(cost: int, words: str) -> None:
    origins = {TUNED_ROW: Origin(cost, "learning rate × 5.8, label smoothing 0.3"), "discovered": Origin(400)}
    comparison = _verdict(
        {"cross-entropy": 0.5, TUNED_ROW: 0.7, "best known: focal": 0.6, "discovered": 0.9}, origins=origins
    )
    assert f"beats cross-entropy tuned with {words} trainings (+0.2000" in headline(comparison)
    assert "not tuned" not in headline(comparison)
    sentences = verdict_sentences(comparison)
    assert any("beats focal, the best of the known losses (+0.3000" in sentence for sentence in sentences)
    assert sentences[-1] == f"{TUNED_ROW}: learning rate × 5.8, label smoothing 0.3."
    assert max(map(len, render(comparison).partition("The discovered")[0].splitlines())) <= 80
    assert Comparison.from_dict(comparison.to_dict()) == comparison


def test_the_strongest_rival_has_the_first_row_wherever_a_verdict_is_shown() -> None:
    means = {"cross-entropy": 0.5, "cross-entropy × 2": 0.7, TUNED_ROW: 0.8, "discovered": 0.75}
    up, down = _verdict(means), _verdict(means, "min")
    assert [result.name for result in up.ranked] == [TUNED_ROW, "cross-entropy × 2", "cross-entropy", "discovered"]
    assert [result.name for result in down.ranked] == ["cross-entropy", "cross-entropy × 2", TUNED_ROW, "discovered"]
    for comparison in (up, down):
        assert comparison.ranked[0].name == comparison.strongest
        assert comparison.baseline == "cross-entropy", "which is not a matter of rank"
        names = [result.name for result in comparison.ranked]
        assert [row[0] for row in comparison_rows(comparison)] == names
        for text in (render(comparison), comparison_markdown(comparison)):
            places = [text.index(f" {name} ") for name in names]
            assert places == sorted(places)
        told = [sentence for sentence in verdict_sentences(comparison) if sentence.startswith(("The disc", "Within"))]
        assert len(told) == 3, "one for each rival, in the same order"
        assert told[0] == headline(comparison)


def test_rivals_that_always_diverged_come_last_and_without_a_focus_the_order_is_kept() -> None:
    metrics = {"cross-entropy": (0.0,) * 3, "other": (0.4, 0.5, 0.6), "discovered": (0.7, 0.8, 0.9)}
    reasons = {"cross-entropy": ("at step 4",) * 3}
    verdict = compare_metrics(metrics, Monitor("loss", "min"), (1, 2, 3), focus="discovered", divergences=reasons)
    assert [result.name for result in verdict.ranked] == ["other", "cross-entropy", "discovered"]
    plain = compare_metrics(metrics, Monitor(), (1, 2, 3))
    assert plain.ranked == plain.results


def test_where_nothing_varies_there_is_no_p_and_the_table_says_why() -> None:
    constant = {"cross-entropy": (0.5,) * 3, "discovered": (0.6,) * 3}
    comparison = compare_metrics(constant, Monitor(), (1, 2, 3), focus="discovered")
    assert comparison_rows(comparison)[0][3] == "–"
    assert "beats cross-entropy (+0.1000 [+0.1000, +0.1000], p = –, paired p = –)" in headline(comparison)
    assert legend(comparison)[-1].startswith("–  no test: nothing varies from seed to seed")
    assert "0e+00" not in render(comparison)


VALIDATION = {
    "cross-entropy": (0.7, 0.8), "best known: dice": (0.9, 0.8), "your loss": (0.6, 0.6), "discovered": (0.8, 0.8)
}  # fmt: skip


def chosen(name: str, hyperparameters: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """Return what is said of a choice; the test split would have it otherwise."""
    metrics = {"cross-entropy": (0.9, 0.9), "best known: dice": (0.1, 0.2), "your loss": (0.5, 0.6)}
    told = {"validation": VALIDATION, **changes}
    comparison = compare_metrics({**metrics, "discovered": (0.3, 0.4)}, Monitor(), (1, 2), focus="discovered", **told)
    assert comparison == Comparison.from_dict(comparison.to_dict())
    return choice_sentence(comparison, name, hyperparameters or {})


def test_what_is_taken_home_is_said_by_validation() -> None:
    dice = "To take home: dice, the best of the known losses; on validation data it has 0.8500, "
    assert chosen("best known: dice") == dice + "the discovered loss 0.8000."
    along = {"learning_rate_factor": 2.0}
    assert chosen("best known: dice", along).endswith("0.8000. It goes with all learning rates × 2.")
    diverged = {"divergences": {"discovered": ["not finite"] * 2}}
    assert chosen("best known: dice", **diverged) == dice + "the discovered loss diverged."
    found = "To take home: the discovered loss, the best of these on validation data (0.8000)."
    assert chosen("discovered") == found
    own = {"validation": {**VALIDATION, "your loss": (0.95, 0.95)}}
    assert chosen("discovered", **own) == f"{found} Your own loss does better there, 0.9500: keep it."
    assert chosen("discovered", validation={}) == ""


@pytest.mark.parametrize(("mode", "best"), [("max", "best known: dice"), ("min", "your loss")])
def test_the_best_on_validation_is_of_those_that_were_measured(mode: Mode, best: str) -> None:
    metrics = dict.fromkeys(VALIDATION, (0.5, 0.6))
    comparison = compare_metrics(metrics, Monitor("m", mode), (1, 2), focus="discovered", validation=VALIDATION)
    assert comparison.best_on_validation(list(VALIDATION)) == best
    of_two = comparison.best_on_validation(["cross-entropy", "discovered"])
    assert of_two == ("discovered" if mode == "max" else "cross-entropy")
    diverged = compare_metrics(
        metrics, Monitor("m", mode), (1, 2), focus="discovered", validation=VALIDATION, divergences={best: ["x", "x"]}
    )
    assert diverged.best_on_validation(list(VALIDATION)) != best
    equal = compare_metrics(metrics, Monitor(), (1, 2), focus="discovered", validation=metrics)
    assert equal.best_on_validation(list(metrics)) == "discovered"
    assert compare_metrics(metrics, Monitor(), (1, 2)).best_on_validation(list(metrics)) is None
