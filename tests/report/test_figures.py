"""Figures of the report whose scale a few trainings must not decide."""

import pytest

from glo_lightning.compare.comparison import compare_metrics
from glo_lightning.report.figures import draw_comparison, draw_scores
from glo_lightning.search.records.candidates import CandidateRecord
from glo_lightning.training.monitor import Monitor

LOSS = Monitor("val_loss", "min")


def candidates(*generations: list[float]) -> list[CandidateRecord]:
    return [
        CandidateRecord("study", 0, generation, index, metric, {}, "", "completed", "", 1.0)
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
    figure = draw_scores(candidates([0.5, 0.9, 1e6], [0.4, 0.6, 40.0], [1e6, 1e6, 0.3]), LOSS)
    low, high = figure.axes[0].get_ylim()
    assert -0.2 < low < 0.3
    assert 0.9 < high < 1.2
    assert markers(figure)["."] == [(1, 0.5), (1, 0.9), (2, 0.4), (2, 0.6), (3, 0.3)]
    assert markers(figure)["^"] == [(1, high), (2, high), (3, high), (3, high)]
    assert "far worse" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_candidates_that_are_near_are_all_dots():
    figure = draw_scores(candidates([0.7, 0.8], [0.75, 0.85]), Monitor())
    assert set(markers(figure)) == {"."}


@pytest.mark.parametrize(("monitor", "worst", "arrow"), [(LOSS, 1e6, ">"), (Monitor(), 0.0, "<")])
def test_trainings_that_diverged_are_arrows_at_the_edge(monitor, worst, arrow):
    metrics = [(0.90, 0.91, 0.92), (worst, 0.93, 0.94), (worst, worst, worst)]
    comparison = compare_metrics(["cross-entropy", "some", "all"], metrics, [0, 1, 3], monitor, (1, 2, 3))
    figure = draw_comparison(comparison)
    low, high = figure.axes[0].get_xlim()
    assert 0.88 < low < 0.90
    assert 0.94 < high < 0.96
    drawn = markers(figure)
    assert [x for x, y in drawn["|"] if y % 1.0] == [*metrics[0], *metrics[1][1:]]
    edge = high if monitor is LOSS else low
    assert drawn[arrow] == [(edge, y) for y in (1.22, 1, 2.22, 2.22, 2.22, 2)]


def test_a_comparison_in_which_everything_diverged_can_be_drawn():
    comparison = compare_metrics(["cross-entropy", "found"], [(1e6, 1e6)] * 2, [2, 2], LOSS, (1, 2))
    assert draw_comparison(comparison).axes[0].get_xlim()[1] == pytest.approx(1e6 + 0.05)
