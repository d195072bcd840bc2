from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import image, pyplot

from glo_lightning.figures import save_figure
from glo_lightning.losses import Loss, TaylorLoss, TreeLoss, named_loss
from glo_lightning.theory import AttractionRecord, attraction
from glo_lightning.theory.figures import (
    figure_attraction,
    figure_shapes,
    figure_start,
    figure_stratification,
)


def losses() -> dict[str, Loss]:
    return {name: named_loss(name) for name in ("cross_entropy", "baikal", "taylorglo_1")}


def record(sign: float) -> AttractionRecord:
    confidence = torch.linspace(0.15, 0.95, 40).repeat(5, 1)
    empty = AttractionRecord.empty(torch.arange(40), torch.zeros(40, dtype=torch.int64))
    return empty.extended(torch.arange(5), confidence, sign * (0.5 - confidence) * 0.1)


def test_attraction_curves_are_those_of_the_losses_with_their_sign_changes() -> None:
    (axes,) = figure_attraction(losses(), num_classes=10).axes
    curves = {line.get_label(): line.get_xydata() for line in axes.lines}
    for name, loss in losses().items():
        confidence, change = torch.tensor(curves[name]).T
        torch.testing.assert_close(change, attraction(loss, 1.0 - confidence, 10))
    marks = sorted(line.get_xydata()[0, 0] for line in axes.lines if line.get_marker() == "o")
    assert marks == pytest.approx([10**-0.5, 0.4503], abs=1e-4)


def test_shapes_show_loss_and_gamma_of_each_loss() -> None:
    figure = figure_shapes(losses(), num_classes=10)
    assert len(figure.axes) == 6
    h, gamma = torch.tensor(figure.axes[3].lines[0].get_xydata()).T
    torch.testing.assert_close(gamma, 1.0 / h)


def test_start_colours_verdicts_and_marks_the_undefined() -> None:
    shown = {
        "stable": named_loss("mse"),
        "collapsing": TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0]),
        "uphill": TaylorLoss([0.0, 0.0, 0.0, 2.0, 0.0, -2.0, 0.0, 0.0]),
        "undefined": TreeLoss("log(h - 1/5) + y"),
    }
    (axes,) = figure_start(shown, num_classes=10).axes
    bars = axes.patches
    assert [bar.get_width() for bar in bars] == pytest.approx([0.2, 0.2, -0.2, 0.0])
    assert len({bar.get_facecolor() for bar in bars[:3]}) == 3
    assert "undefined" in axes.texts[3].get_text()


def test_stratification_colours_by_sign_and_fades_by_number() -> None:
    figure = figure_stratification({"pulls low": record(1.0), "pulls high": record(-1.0)}, num_bins=10)
    first, second = (axes.images[0].get_array() for axes in figure.axes[:2])
    red, blue = 0, 2
    assert first[1, 0, blue] > first[1, 0, red]
    assert first[8, 0, blue] < first[8, 0, red]
    assert second[1, 0, blue] < second[1, 0, red]
    assert np.all(first[0, :, 3] == 0.0)  # nobody is below 0.1


def test_a_record_of_nothing_but_zeros_can_be_drawn() -> None:
    flat = AttractionRecord.empty(torch.arange(3), torch.zeros(3, dtype=torch.int64))
    flat = flat.extended(torch.arange(2), torch.full((2, 3), 0.1), torch.zeros(2, 3))
    figure_stratification({"flat": flat})


def test_files_are_pictures_equal_for_equal_figures(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_figure(figure_attraction(losses(), 10), tmp_path / name)
    assert image.imread(tmp_path / "one.png").shape[2] == 4
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_users_figures_are_left_alone(tmp_path: Path) -> None:
    pyplot.switch_backend("agg")
    before, style = pyplot.get_fignums(), dict(pyplot.rcParams)
    save_figure(figure_shapes(losses(), 10), tmp_path / "shapes.png")
    assert pyplot.get_fignums() == before
    assert dict(pyplot.rcParams) == style
