"""The history of a search as a figure."""

from io import BytesIO

import pytest

from glo_lightning.search.exploration.screening import Step
from glo_lightning.search.records.candidates import BaselineScore, GenerationSummary
from glo_lightning.search.records.history import FATES, draw_history
from glo_lightning.training.monitor import Monitor


def summary(generation: int, best: float | None, **fates: int) -> GenerationSummary:
    return GenerationSummary(generation, best, best, fates.get("trained", 0), 0, 8, 1.0, fates)


TREES = [
    summary(0, 0.7, trained=2, leaves=6),
    summary(1, None, unseen=4),
    summary(2, 0.6, trained=1, unseen=1, exact=2),
    summary(3, 0.9, trained=4),
]
TUNINGS = {
    "one": [summary(0, 0.8, trained=3, violated=1), summary(1, 0.95, trained=4)],
    "other": [summary(0, 0.85, trained=1, violated=3)],
}


def curves(mode: str) -> dict[str, list[tuple[float, float]]]:
    figure = draw_history({"trees": TREES, **TUNINGS}, Monitor("metric", mode))
    return {
        line.get_label(): [tuple(point) for point in line.get_xydata()]
        for line in figure.axes[0].lines
        if not line.get_label().startswith("_")
    }


@pytest.mark.parametrize(("mode", "so_far"), [("max", [0.7, 0.7, 0.9, 0.9]), ("min", [0.7, 0.6, 0.6, 0.6])])
def test_curves_are_the_best_so_far_and_later_stages_go_on(mode, so_far):
    drawn = curves(mode)
    assert drawn["trees"] == list(zip([1, 3, 4, 4], so_far, strict=True))
    assert [x for x, _ in drawn["one"]] == [5, 6, 6]
    assert [x for x, _ in drawn["other"]] == [5, 5]


def test_bars_are_shares_of_all_draws():
    bars = draw_history({"trees": TREES, **TUNINGS}, Monitor()).axes[1].containers
    heights = {bar.get_label(): [patch.get_height() for patch in bar] for bar in bars[:4]}
    assert heights == {
        "trained": [0.25, 0.0, 0.25, 1.0],
        "trains as an earlier one": [0.0, 1.0, 0.25, 0.0],
        "starts uphill": [0.0, 0.0, 0.5, 0.0],
        "lacks label or prediction": [0.75, 0.0, 0.0, 0.0],
    }
    later = {bar.get_label(): [patch.get_height() for patch in bar] for bar in bars[4:]}
    assert later == {"trained": [0.5, 1.0], "violates the invariant": [0.5, 0.0]}


def test_every_step_of_the_screen_has_a_colour():
    assert {*map(str, Step), "trained", "violated"} == set(FATES)


@pytest.mark.parametrize("stages", [{"search": TREES[:1]}, {"search": TREES, "other": [summary(0, None, violated=8)]}])
def test_short_and_fruitless_stages_can_be_drawn(stages):
    file = BytesIO()
    draw_history(stages, Monitor()).savefig(file, format="png")
    assert len(file.getvalue()) > 1000


def test_cross_entropy_is_a_line_among_the_scores() -> None:
    axes = draw_history({"trees": TREES, **TUNINGS}, Monitor(), baseline=BaselineScore("cross-entropy", 0.01)).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "cross-entropy"]
    assert list(line.get_ydata()) == [0.01, 0.01]
    assert axes.get_ylim()[0] < 0.01
    assert "cross-entropy" in [text.get_text() for text in axes.get_legend().get_texts()]
