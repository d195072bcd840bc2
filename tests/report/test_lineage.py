"""The lineage of a tree loss, traced and drawn."""

from io import BytesIO

import pytest
from matplotlib.colors import to_rgba

from glo_lightning.losses.expression import parse
from glo_lightning.report.lineage import NEW, Ancestor, Candidate, changed_paths, draw_lineage, trace_lineage

CANDIDATES = {
    (0, 0): Candidate("y * h", "random", score=0.5),
    (0, 1): Candidate("log(h) - 1", "random"),
    (1, 0): Candidate("y * h", "elite", parents=((0, 0),), score=0.5),
    (1, 1): Candidate("h", "copy", parents=((0, 0),), mutations=("leaf",)),
    (2, 0): Candidate("y * log(h)", "recombination", parents=((1, 0), (0, 1)), score=0.9),
    (3, 0): Candidate("y * log(h)", "elite", parents=((2, 0),), score=0.9),
    (4, 0): Candidate("y * log(h)", "elite", parents=((3, 0),), score=0.9),
    (5, 2): Candidate("square(y) * log(h)", "copy", parents=((4, 0),), mutations=("symbol",), score=0.91),
}


def test_follows_the_root_and_leaves_out_what_did_not_change():
    lineage = trace_lineage(CANDIDATES, (5, 2))
    assert [ancestor.slot for ancestor in lineage] == [(0, 0), (2, 0), (5, 2)]
    assert [ancestor.mate for ancestor in lineage] == [None, CANDIDATES[0, 1], None]


def test_a_first_generation_winner_is_its_own_lineage():
    assert trace_lineage(CANDIDATES, (0, 1)) == [Ancestor((0, 1), CANDIDATES[0, 1])]


def test_a_missing_ancestor_is_an_error():
    with pytest.raises(KeyError):
        trace_lineage({(1, 0): CANDIDATES[1, 0]}, (1, 0))


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


def test_the_figure_shows_every_node_and_says_what_happened():
    figure = draw_lineage(trace_lineage(CANDIDATES, (5, 2)))
    left, right = figure.axes[::2], figure.axes[1::2]
    assert [text.get_text() for text in left[1].texts] == ["×", "y", "log", "h"]
    assert [text.get_bbox_patch().get_facecolor() == to_rgba(NEW) for text in left[1].texts] == [
        False,
        False,
        True,
        True,
    ]
    assert left[2].get_title(loc="left") == "generation 5: copy + symbol, score 0.9100\nsquare(y) * log(h)"
    assert [len(axes.texts) for axes in right] == [0, 4, 0]
    assert len(left[1].lines) == 3


def test_nodes_do_not_overlap():
    figure = draw_lineage([Ancestor((0, 0), Candidate("(y + h) * (sqrt(h) / (y - 1)) - square(h * y + 1)", "random"))])
    places = {text.get_position() for text in figure.axes[0].texts}
    assert len(places) == parse("(y + h) * (sqrt(h) / (y - 1)) - square(h * y + 1)").size


@pytest.mark.parametrize("extension", ["svg", "png"])
def test_the_figure_can_be_written(extension):
    file = BytesIO()
    draw_lineage(trace_lineage(CANDIDATES, (5, 2))).savefig(file, format=extension)
    assert len(file.getvalue()) > 1000
