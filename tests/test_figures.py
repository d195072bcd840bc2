"""Figures of the whole package: one palette, equal files for equal figures, nothing left behind in Matplotlib."""

from pathlib import Path

import pytest
import torch
from matplotlib import image, pyplot
from matplotlib.colors import is_color_like
from matplotlib.text import Text

from glo_lightning.figures import COLORS, color_of, make_figure, save_figure, shown_name
from glo_lightning.landscape.figures import figure_landscape
from glo_lightning.landscape.surface import Surface
from glo_lightning.losses import named_loss
from glo_lightning.theory.figures import figure_attraction, figure_shapes, figure_start


def test_equal_figures_are_equal_files_and_matplotlib_stays_as_it_is(tmp_path: Path) -> None:
    pyplot.switch_backend("agg")
    before, style = pyplot.get_fignums(), dict(pyplot.rcParams)
    for name in ("one.png", "two.png"):
        figure = make_figure(3.0, 2.0)
        figure.subplots().plot([0.0, 1.0], color=color_of(0), label=shown_name("_mine"))
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
    axes.plot([0.0, 1.0], label=shown_name("_mine"))
    (text,) = axes.legend().get_texts()
    assert text.get_text().endswith("_mine")


@pytest.mark.parametrize("name", ["run$a_$", "a^$b$^", "$", "_$x$", r"\alpha$\frac$"])
def test_names_with_dollars_are_shown_as_they_are(name: str, tmp_path: Path) -> None:
    loss = named_loss("cross_entropy")
    figures = [figure_shapes({name: loss}, 4), figure_attraction({name: loss}, 4), figure_start({name: loss}, 4)]
    steps = torch.linspace(-1.0, 1.0, 3)
    for shape in ((3,), (3, 3)):
        figures.append(figure_landscape({name: Surface(steps, torch.rand(shape), torch.rand(shape))}, 0.5))
    for number, figure in enumerate(figures):
        save_figure(figure, tmp_path / f"{number}.png")
        texts = [text for text in figure.findobj(Text) if text.get_text().lstrip("\u200b") == name.replace("$", r"\$")]
        assert any(text._preprocess_math(text.get_text())[0].lstrip("\u200b") == name for text in texts)
