"""Words: they say what the numbers say."""

import pytest

from glo_lightning.losses import TreeLoss, named_loss
from glo_lightning.report.words import explain
from glo_lightning.theory import summarize


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
