"""Words: they say what the numbers say."""

import pytest

from glo_lightning.compare.comparison import Comparison, compare_metrics
from glo_lightning.losses import TreeLoss, named_loss
from glo_lightning.report.words import explain, headline
from glo_lightning.theory import summarize
from glo_lightning.training.monitor import Monitor


def comparison(baseline: float, twin: float, discovered: float, mode: str = "max") -> Comparison:
    return compare({"cross-entropy": baseline, "cross-entropy × 2": twin, "discovered": discovered}, mode)


def compare(means: dict[str, float], mode: str = "max") -> Comparison:
    metrics = {name: (mean - 0.01, mean, mean + 0.01) for name, mean in means.items()}
    return compare_metrics(metrics, Monitor("metric", mode), (1, 2, 3), epochs=4, focus="discovered")


@pytest.mark.parametrize(
    ("means", "mode", "words"),
    [
        ((0.5, 0.5, 0.9), "max", "found a better loss"),
        ((0.5, 0.5, 0.1), "min", "found a better loss"),
        ((0.5, 0.9, 0.9), "max", "larger steps"),
        ((0.5, 0.5, 0.5), "max", "no loss that is better"),
        ((0.5, 0.9, 0.5), "max", "worse than cross-entropy × 2"),
        ((0.5, 0.5, 0.1), "max", "worse than cross-entropy"),
    ],
)
def test_the_headline_says_who_won(means, mode, words):
    assert words in headline(comparison(*means, mode))


@pytest.mark.parametrize(
    ("rivals", "words"),
    [
        ({" × 0.476": 0.9}, "perhaps only because it makes smaller steps"),
        ({" × 10, 0.2": 0.9}, "perhaps only because it makes steps of another size"),
        ({" × 2": 0.99}, "Better than cross-entropy, but worse than cross-entropy × 2."),
        ({", joint": 0.9, ", joint × 2": 0.9}, "perhaps only through the hyperparameters found"),
        ({", joint": 0.8, ", joint × 2": 0.9}, "perhaps only because it makes larger steps"),
        ({", joint": 0.99, ", joint × 2": 0.9}, "but worse than cross-entropy with the hyperparameters found."),
        ({", joint": 0.8, ", joint × 2": 0.8}, "found a better loss"),
    ],
)
def test_the_headline_gives_the_reason_that_the_unbeaten_rival_stands_for(rivals, words):
    named = {f"cross-entropy{name}": mean for name, mean in rivals.items()}
    assert words in headline(compare({"cross-entropy": 0.5, **named, "discovered": 0.9}))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cross_entropy", ["as cross-entropy would.", "keeps pulling", "At certainty"]),
        ("mse", ["0.2 times", "lets go"]),
        ("baikal", ["10 times", "pushes them back", "0.32", "smoothing of 0.76"]),
    ],
)
def test_theory_in_words(name, words):
    text = " ".join(explain(summarize(named_loss(name), num_classes=10)).values())
    for word in words:
        assert word in text


def test_a_loss_that_cannot_start_says_so():
    (answer,) = explain(summarize(TreeLoss("log(h + h - 1) * y"), 10)).values()
    assert answer.startswith("No: it is undefined")
    assert explain(summarize(TreeLoss("-1 * (y * h)"), 10))["Does training start?"] == "No: it starts uphill."
