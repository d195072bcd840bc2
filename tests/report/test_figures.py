"""Figures of the report whose scale a few trainings must not decide."""

import pytest

from glo_lightning.compare.comparison import compare_metrics
from glo_lightning.report.figures import draw_comparison, draw_fidelity, draw_scores
from glo_lightning.search.records.candidates import BaselineScore, CandidateRecord
from glo_lightning.search.records.verdict import Fidelity
from glo_lightning.training.monitor import Monitor

LOSS = Monitor("val_loss", "min")


def candidates(*generations: list[float | None]) -> list[CandidateRecord]:
    return [
        CandidateRecord("study", 0, generation, index, metric, {}, "", "completed" if metric else "diverged", "", 1.0)
        for generation, metrics in enumerate(generations)
        for index, metric in enumerate(metrics)
    ]


def markers(figure):
    """Return the numbers that markers stand at, by marker, and by their axis."""
    found = {}
    for line in figure.axes[0].lines:
        if line.get_marker() != "None":
            found.setdefault(line.get_marker(), []).extend(zip(line.get_xdata(), line.get_ydata(), strict=True))
    return found


def test_candidates_that_diverged_do_not_press_the_others_flat():
    figure = draw_scores(candidates([0.5, 0.9, None], [0.4, 0.6, 40.0], [None, None, 0.3]), LOSS)
    low, high = figure.axes[0].get_ylim()
    assert -0.2 < low < 0.3
    assert 0.9 < high < 1.2
    assert markers(figure)["."] == [(1, 0.5), (1, 0.9), (2, 0.4), (2, 0.6), (3, 0.3)]
    assert markers(figure)["^"] == [(2, high), (1, high), (3, high), (3, high)]
    assert "far worse, or diverged" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_candidates_that_are_near_are_all_dots():
    figure = draw_scores(candidates([0.7, 0.8], [0.75, 0.85]), Monitor())
    assert set(markers(figure)) == {"."}


@pytest.mark.parametrize(("monitor", "worst", "arrow"), [(LOSS, 1e6, ">"), (Monitor(), 0.0, "<")])
def test_trainings_that_diverged_are_arrows_at_the_edge(monitor, worst, arrow):
    metrics = {"cross-entropy": (0.90, 0.91, 0.92), "some": (worst, 0.93, 0.94), "all": (worst, worst, worst)}
    divergences = {"some": ("at step 1", "", ""), "all": ("at step 1",) * 3}
    comparison = compare_metrics(metrics, monitor, (1, 2, 3), divergences=divergences)
    figure = draw_comparison(comparison)
    low, high = figure.axes[0].get_xlim()
    assert 0.88 < low < 0.90
    assert 0.94 < high < 0.96
    drawn = markers(figure)
    assert [x for x, y in drawn["|"] if y % 1.0] == [*metrics["cross-entropy"], *metrics["some"][1:]]
    edge = high if monitor is LOSS else low
    assert drawn[arrow] == [(edge, y) for y in (1.22, 1, 2.22, 2.22, 2.22)]


def test_candidates_that_diverged_when_trained_fully_are_arrows():
    fidelity = Fidelity((3, 4, 5), (0.9, 0.8, 0.7), (0.95, None, 0.85), 8, 0.5, 0.5)
    drawn = markers(draw_fidelity(fidelity, Monitor()))
    assert drawn == {"o": [(0.9, 0.95), (0.7, 0.85)], "v": [(0.8, 0.0)]}


def test_cross_entropy_is_a_line_among_the_candidates() -> None:
    axes = draw_scores(
        candidates([0.7, 0.8], [0.75, 0.85]), Monitor(), baseline=BaselineScore("cross-entropy", 0.6)
    ).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "cross-entropy"]
    assert list(line.get_ydata()) == [0.6, 0.6]
    assert axes.get_ylim()[0] < 0.6
