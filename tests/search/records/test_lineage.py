"""The lineage of a tree loss, traced and drawn."""

from io import BytesIO

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from glo_lightning.losses.expression import parse
from glo_lightning.search.records.candidates import CandidateRecord
from glo_lightning.search.records.lineage import (
    NEW,
    Ancestor,
    Candidate,
    candidates_of,
    changed_paths,
    draw_lineage,
    trace_lineage,
    tuned,
)

CANDIDATES = {
    (0, 0): Candidate("y * h", "random", metric=0.5),
    (0, 1): Candidate("log(h) - 1", "random"),
    (1, 0): Candidate("y * h", "elite", parents=((0, 0),), metric=0.5),
    (1, 1): Candidate("h", "copy", parents=((0, 0),), mutations=("leaf",)),
    (2, 0): Candidate("y * log(h)", "recombination", parents=((1, 0), (0, 1)), metric=0.9),
    (3, 0): Candidate("y * log(h)", "elite", parents=((2, 0),), metric=0.9),
    (4, 0): Candidate("y * log(h)", "elite", parents=((3, 0),), metric=0.9),
    (5, 2): Candidate("square(y) * log(h)", "copy", parents=((4, 0),), mutations=("symbol",), metric=0.91),
}


def test_follows_the_root_and_leaves_out_what_did_not_change():
    lineage = trace_lineage(CANDIDATES, (5, 2))
    assert [ancestor.slot for ancestor in lineage] == [(0, 0), (2, 0), (5, 2)]
    assert [ancestor.mate for ancestor in lineage] == [None, CANDIDATES[0, 1], None]


def test_a_first_generation_winner_is_its_own_lineage():
    assert trace_lineage(CANDIDATES, (0, 1)) == [Ancestor((0, 1), CANDIDATES[0, 1])]


def test_the_line_begins_after_an_unknown_parent():
    known = {slot: candidate for slot, candidate in CANDIDATES.items() if slot not in ((1, 0), (0, 1))}
    assert [ancestor.slot for ancestor in trace_lineage(known, (5, 2))] == [(2, 0), (5, 2)]
    assert trace_lineage(known, (2, 0))[0].mate is None


def test_an_unknown_winner_is_an_error():
    with pytest.raises(KeyError):
        trace_lineage(CANDIDATES, (9, 9))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("y * h", "y * h", []),
        ("y * h", "y + h", [(), (0,), (1,)]),
        ("y * (h + 1)", "y * (h + 2)", [(1, 1)]),
        ("sqrt(h)", "sqrt(log(h))", [(0,), (0, 0)]),
    ],
)
def test_only_what_changed_is_marked(before, after, changed):
    assert list(changed_paths(parse(before), parse(after))) == changed


def signs(figure: Figure) -> list[Text]:
    return [text for text in figure.axes[0].texts if text.get_bbox_patch()]


def test_the_figure_shows_every_node_and_says_what_happened():
    figure = draw_lineage(trace_lineage(CANDIDATES, (5, 2)), "val_accuracy")
    nodes = signs(figure)
    assert [text.get_text() for text in nodes] == [*list("×yh"), "×", "y", "log", "h", "×", "( )²", "y", "log", "h"]
    new = [index for index, text in enumerate(nodes) if text.get_bbox_patch().get_facecolor() == to_rgba(NEW)]
    assert new == [5, 6, 8, 9]
    captions = [text.get_text() for text in figure.axes[0].texts if not text.get_bbox_patch() and text.get_text()]
    assert captions[2:] == [
        "generation 3", "recombination\nwith a part of log(h) - 1\nval_accuracy 0.9000\ny * log(h)",
        "generation 6", "copy + symbol\nval_accuracy 0.9100\nsquare(y) * log(h)",
    ]  # fmt: skip
    assert len(figure.axes[0].lines) == 2 + 3 + 4


def test_coefficients_stand_at_their_nodes():
    record = CandidateRecord(
        "s/coefficients/log(h) - y / h", 7, 3, 1, 0.95, {"c_1": -2.0, "c_0": 1.25}, "L = x", "completed", "", 0.1
    )
    ancestor = tuned("log(h) - y / h", record)
    assert ancestor.coefficients == {(0,): 1.25, (1,): -2.0}
    figure = draw_lineage([ancestor])
    assert [text.get_text() for text in signs(figure)] == ["−", "1.25 · log", "h", "-2 · ÷", "y", "h"]
    assert [text.get_text() for text in figure.axes[0].texts[:2]] == [
        "tuning, generation 4", "coefficients by CMA-ES\nscore 0.9500\nL = x"
    ]  # fmt: skip


def test_repetitions_have_the_score_of_their_original():
    def record(slot, metric, repeats):
        origin = {"operation": "random", "parents": [], "mutations": [], "repeats": repeats}
        return CandidateRecord("s", 0, *slot, metric, {"expression": "y * h"}, "", "completed", "", 0.0, origin=origin)

    candidates = candidates_of([record((0, 0), 0.5, None), record((1, 3), None, [0, 0])])
    assert {slot: candidate.metric for slot, candidate in candidates.items()} == {(0, 0): 0.5, (1, 3): 0.5}


def test_nothing_overlaps_or_sticks_out():
    expressions = ["(y + h) * (sqrt(h) / (y - 1)) - square(h * y + 1)", "y * log(h)", "log(h) - y / h"] * 3
    figure = draw_lineage([Ancestor((k, 0), Candidate(text, "random")) for k, text in enumerate(expressions)])
    places = {text.get_position() for text in signs(figure)}
    assert len(places) == sum(parse(text).size for text in expressions)
    FigureCanvasAgg(figure).draw()
    edges = figure.bbox
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(edges.x0 <= box.x0 and box.x1 <= edges.x1 and edges.y0 <= box.y0 and box.y1 <= edges.y1 for box in boxes)


@pytest.mark.parametrize("extension", ["svg", "png"])
def test_the_figure_can_be_written(extension):
    file = BytesIO()
    draw_lineage(trace_lineage(CANDIDATES, (5, 2))).savefig(file, format=extension)
    assert len(file.getvalue()) > 1000
