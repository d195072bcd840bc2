"""Formulas as pictures: broken into lines that keep every symbol."""

import io
import re
from collections.abc import Callable

import pytest

from glo_lightning.losses import NAMED_LOSSES, CrossEntropyLoss, DriveLoss, Loss, SigmoidLoss, TaylorLoss, named_loss
from glo_lightning.report.equation import break_latex, draw_formula


def symbols(latex: str) -> str:
    return re.sub(r"\\left|\\right|\{\}|\s", "", latex)


def test_breaking_keeps_every_symbol_and_the_width():
    latex = TaylorLoss([-4.511, 5.313, -2.486, -10.7, 10.95, 2.36, -7.03, -4.348]).formula("latex")
    lines = break_latex(latex, width=38)
    assert len(lines) > 3
    assert symbols("".join(lines)) == symbols(latex)
    assert all(line.startswith(("{}+", "{}-")) for line in lines[1:])


def test_fractions_and_inner_parentheses_stay_whole():
    latex = r"L = \sum_i \left(\frac{h_{i} + 1}{y_{i} - 2} + \left(h_{i} - \left(1 + y_{i}\right)\right)^{2}\right)"
    lines = break_latex(latex, width=5)
    assert lines[0].endswith(r"\frac{h_{i} + 1}{y_{i} - 2}")
    assert lines[1].endswith("^{2})")


@pytest.mark.parametrize("name", NAMED_LOSSES)
def test_every_named_loss_can_be_drawn(name):
    draw_formula(named_loss(name)).savefig(io.BytesIO(), format="svg", bbox_inches="tight")


def test_smoothed_labels_can_be_drawn() -> None:
    draw_formula(CrossEntropyLoss(label_smoothing=0.1)).savefig(io.BytesIO(), format="svg", bbox_inches="tight")


@pytest.mark.parametrize("wrap", [lambda loss: loss, SigmoidLoss])
def test_a_drive_loss_whose_formula_is_an_integral_can_be_drawn(wrap: Callable[[Loss], Loss]) -> None:
    loss = wrap(DriveLoss(scale=0.8, q=0.3, g=-0.2, c=(0.4, -1.5), num_classes=2))
    assert r"\int" in loss.formula("latex")
    draw_formula(loss).savefig(io.BytesIO(), format="svg", bbox_inches="tight")
