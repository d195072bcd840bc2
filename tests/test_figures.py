"""Figures of the whole package: one palette, equal files for equal figures, nothing left behind in Matplotlib."""

from pathlib import Path

from matplotlib import image, pyplot
from matplotlib.colors import is_color_like

from glo_lightning.figures import COLORS, color_of, legend_label, make_figure, save_figure


def test_equal_figures_are_equal_files_and_matplotlib_stays_as_it_is(tmp_path: Path) -> None:
    pyplot.switch_backend("agg")
    before, style = pyplot.get_fignums(), dict(pyplot.rcParams)
    for name in ("one.png", "two.png"):
        figure = make_figure(3.0, 2.0)
        figure.subplots().plot([0.0, 1.0], color=color_of(0), label=legend_label("_mine"))
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert image.imread(tmp_path / "one.png").shape == (220, 330, 4)
    assert pyplot.get_fignums() == before
    assert dict(pyplot.rcParams) == style


def test_colours_differ_and_begin_anew_after_the_last() -> None:
    assert len(set(COLORS)) == len(COLORS)
    assert all(map(is_color_like, COLORS))
    assert [color_of(place) for place in range(2 * len(COLORS))] == [*COLORS, *COLORS]


def test_legends_show_names_that_begin_with_an_underscore() -> None:
    axes = make_figure(3.0, 2.0).subplots()
    axes.plot([0.0, 1.0], label=legend_label("_mine"))
    (text,) = axes.legend().get_texts()
    assert text.get_text().endswith("_mine")
