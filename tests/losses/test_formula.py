"""What people read and paste."""

import pytest
import sympy

from glo_lightning.errors import LossError
from glo_lightning.export import write_module
from glo_lightning.losses import (
    ActivePassiveLoss,
    BaikalLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    TverskyLoss,
    TwoSidedLoss,
    cross_entropy_taylor,
)
from glo_lightning.losses.expression import parse
from glo_lightning.losses.expression.coefficients import coefficient_paths
from glo_lightning.losses.formula import render

H, Y = sympy.symbols("h y")


@pytest.mark.parametrize(
    ("loss", "unicode", "latex", "python"),
    [
        (
            CrossEntropyLoss(),
            "L = −Σᵢ yᵢ·log(hᵢ)",
            r"L = - \sum_i y_{i} \log{\left(h_{i} \right)}",
            "(-y*log(h)).sum(-1)",
        ),
        (
            MeanSquaredErrorLoss(class_reduction="mean"),
            "L = (1/C)·Σᵢ (hᵢ − yᵢ)²",
            r"L = \frac{1}{C} \sum_i \left(h_{i} - y_{i}\right)^{2}",
            "((h - y)**2).mean(-1)",
        ),
        (
            BaikalLoss(),
            "L = Σᵢ [−log(hᵢ) + yᵢ/hᵢ]",
            r"L = \sum_i \left(- \log{\left(h_{i} \right)} + \frac{y_{i}}{h_{i}}\right)",
            "(-log(h) + y/h).sum(-1)",
        ),
        (
            FocalLoss(0.5),
            "L = −Σᵢ yᵢ·(1 − hᵢ)^0.5·log(hᵢ)",
            r"L = - \sum_i y_{i} \left(1 - h_{i}\right)^{0.5} \log{\left(h_{i} \right)}",
            "(-y*(1 - h)**0.5*log(h)).sum(-1)",
        ),
        (
            cross_entropy_taylor(2),
            "L = Σᵢ [−hᵢ + (hᵢ − 0.5)² − 2·(hᵢ − 0.5)·(yᵢ − 0.5) + 0.5]",
            r"L = \sum_i \left(- h_{i} + \left(h_{i} - 0.5\right)^{2} - 2 \left(h_{i} - 0.5\right) "
            r"\left(y_{i} - 0.5\right) + 0.5\right)",
            "(-1.0*h + 1.0*(h - 0.5)**2 - 2.0*(h - 0.5)*(y - 0.5) + 0.5).sum(-1)",
        ),
        (TaylorLoss([0.0] * 8), "L = Σᵢ 0", r"L = \sum_i 0", "(0 + 0*h).sum(-1)"),
    ],
    ids=lambda value: getattr(value, "family", ""),
)
def test_formulas(loss: CrossEntropyLoss, unicode: str, latex: str, python: str) -> None:
    assert loss.formula() == loss.formula("unicode") == unicode
    assert loss.formula("latex") == latex
    assert loss.formula("python") == python


@pytest.mark.parametrize(
    ("number", "unicode", "latex", "python"),
    [
        (1.23456789, "1.235·hᵢ", "1.235 h_{i}", "1.23456789*h"),
        (0.99999, "hᵢ", "h_{i}", "0.99999*h"),
        (1.5e-7, "1.5·10⁻⁷·hᵢ", r"1.5 \cdot 10^{-7} h_{i}", "1.5e-07*h"),
        (2.5e12, "2.5·10¹²·hᵢ", r"2.5 \cdot 10^{12} h_{i}", "2500000000000.0*h"),
        (12345.6, "12350·hᵢ", "12350 h_{i}", "12345.6*h"),
    ],
)
def test_numbers(number: float, unicode: str, latex: str, python: str) -> None:
    assert render(number * H, "unicode") == f"L = Σᵢ {unicode}"
    assert render(number * H, "latex") == rf"L = \sum_i {latex}"
    assert render(number * H, "python") == f"({python}).sum(-1)"


def test_other_functions() -> None:
    expression = sympy.sqrt(H) * sympy.Abs(H - Y) / (1 + H) ** 3
    assert render(expression, "unicode") == "L = Σᵢ sqrt(hᵢ)·|hᵢ − yᵢ|/(hᵢ + 1)³"
    assert render(expression, "python") == "(sqrt(h)*abs(h - y)/(h + 1)**3).sum(-1)"


def test_unknown_style_is_refused() -> None:
    with pytest.raises(LossError, match="'latex', 'unicode' or 'python'"):
        CrossEntropyLoss().formula("html")  # type: ignore[arg-type]


def nested(levels: int, inside: str) -> str:
    return "square(" * levels + inside + ")" * levels


HUGE = [
    f"h * {nested(16, '3')}",
    f"h + {nested(28, '1 + 1')}",
    nested(16, "h * 3"),
    nested(26, "2 / h"),
    nested(16, "(h + 1) * (y + 2) * 3"),
    f"sqrt({nested(14, '3')} + h) + log({nested(12, '999983')}) * y",
]


@pytest.mark.parametrize("expression", HUGE)
@pytest.mark.parametrize("coefficient", [1.0, -1.37])
def test_numbers_beyond_double_precision_are_written_as_powers_of_ten(expression: str, coefficient: float) -> None:
    count = len(coefficient_paths(parse(expression)))
    loss = TreeLoss(expression, [coefficient] * count)
    assert "·10" in loss.formula("unicode")
    assert r" \cdot 10^{" in loss.formula("latex")
    assert len(loss.formula("python")) < 1000
    with pytest.raises(LossError, match="undefined everywhere"):
        write_module(loss)


def test_a_scaled_loss_that_overflows_is_written_too() -> None:
    loss = ScaledLoss(ScaledLoss(CrossEntropyLoss(), 1e300), 1e300)
    assert loss.formula() == "L = −Σᵢ 1·10⁶⁰⁰·yᵢ·log(hᵢ)"
    assert loss.formula("python") == "(-1e999*y*log(h)).sum(-1)"


def test_what_rounds_to_nothing_is_left_out() -> None:
    assert TreeLoss(f"log(h) + h / {nested(24, '7')} / {nested(24, '5')}", [1.0, 1.0]).formula() == "L = −Σᵢ log(hᵢ)"


def test_high_powers_of_variables_stay_exact() -> None:
    assert TreeLoss(nested(16, "h")).formula() == "L = −Σᵢ hᵢ⁶⁵⁵³⁶"


def test_what_depends_on_all_logits_has_its_note_but_no_python_of_its_own() -> None:
    loss = ScaledLoss(ActivePassiveLoss(), 2.0)
    assert loss.formula().endswith(", s = Σₖ log hₖ")
    assert loss.formula("latex").endswith(r"s = \sum_k \log h_k")
    with pytest.raises(LossError, match="glo-lightning export"):
        loss.formula("python")


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropyLoss(label_smoothing=0.1),
        ActivePassiveLoss(label_smoothing=0.1),
        TverskyLoss(label_smoothing=0.1),
        ScaledLoss(TaylorLoss([0.5] * 8, label_smoothing=0.1), 2.0),
        SigmoidLoss(TwoSidedLoss(*(FocalLoss(label_smoothing=0.1) for _ in range(2)))),
        ClassAwareLoss(CrossEntropyLoss(label_smoothing=0.1), [2, 1], margin=0.5),
    ],
    ids=lambda loss: loss.family,
)
def test_a_formula_says_how_labels_are_smoothed(loss: Loss) -> None:
    assert loss.formula().count(", y = (1 − 0.1)·label + 0.1/C") == 1
    assert loss.formula("latex").count(r",\ y = (1 - 0.1)\ \mathrm{label} + 0.1 / C") == 1
    assert "label" not in loss.formula("python")


def test_margins_are_those_of_the_labels_before_smoothing() -> None:
    plain, smoothed = (
        ClassAwareLoss(CrossEntropyLoss(label_smoothing=each), [2, 1], margin=0.5) for each in (0.0, 0.1)
    )
    assert "− 0.5·y·n" in plain.formula()
    assert "− 0.5·label·n" in smoothed.formula()


def test_a_drive_that_overflows_can_be_written() -> None:
    assert "log(h)" in DriveLoss(1e308, q=64.0, c=(1e300, 1e308), num_classes=3).formula("python")
