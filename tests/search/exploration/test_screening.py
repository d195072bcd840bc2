"""Screening: every step stops what it should, and nothing that trains."""

import pytest
import torch

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import TreeLoss
from glo_lightning.search.exploration.repetition import repetition_key
from glo_lightning.search.exploration.screening import ALL_STEPS, PAPER_STEPS, Screen, Step


@pytest.mark.parametrize(
    ("expression", "step", "reason"),
    [
        ("y * log(h)", None, ""),
        ("log(h) - y / h", None, ""),
        ("-square(h - y)", None, ""),
        ("h * y", None, ""),
        ("log(h)", "leaves", "no label"),
        ("sqrt(y) + 1", "leaves", "no prediction"),
        ("1", "leaves", "no label"),
        ("log(h - y)", "defined", "log(h - y) is undefined at h ="),
        ("y / (h - h)", "defined", "y / (h - h) is undefined at h ="),
        ("sqrt(y) * sqrt(-1 - h)", "defined", "sqrt(-1 - h)"),
        ("h + square(y)", "gradient", "does not depend on the label"),
        ("y + h / h", "gradient", "does not depend on the label"),
        ("log(h) + y - y", "gradient", "does not depend on the label"),
        ("sqrt(sqrt(h) / (y + h - y))", "gradient", "does not depend on the label"),
        ("log(h) + y / h", "exact", "uphill"),
        ("y * log(h) - 10 * y * h", "exact", "drive 0"),
        ("y * h - 9 * log(h)", "stable", "collapse"),
    ],
)
def test_each_step_stops_its_kind(expression, step, reason):
    screening = Screen(num_classes=10).check(expression)
    assert (screening.step, screening.passed) == (step, step is None)
    assert reason in screening.reason


def test_each_step_stops_what_the_steps_before_let_pass():
    expressions = {
        Step.LEAVES: "log(h)",
        Step.DEFINED: "log(h - y)",
        Step.GRADIENT: "h + square(y)",
        Step.EXACT: "log(h) + y / h",
        Step.STABLE: "y * h - 9 * log(h)",
        Step.UNSEEN: "y * log(h)",
    }
    assert tuple(expressions) == ALL_STEPS
    for place, (step, expression) in enumerate(expressions.items()):
        assert Screen(10, ALL_STEPS[:place]).check(expression, repeats=(0, 3)).passed
        assert Screen(10, ALL_STEPS[: place + 1]).check(expression, repeats=(0, 3)).step is step
        assert Screen(10, [step]).check(expression, repeats=(0, 3)).step is step


def test_repetitions_name_their_original():
    screening = Screen(10).check("y * log(h)", repeats=(2, 7))
    assert screening.reason == "trains as candidate 7 of generation 2 does"


def test_the_papers_screen_trains_everything_with_both_leaves():
    screen = Screen(10, steps=PAPER_STEPS)
    assert screen.check("log(h - y)").passed
    assert screen.check("log(h) + y / h").passed
    assert not screen.check("log(h)").passed
    assert not screen.check("y * log(h)", repeats=(0, 0)).passed


def test_what_is_defined_nowhere_never_passes():
    assert Screen(10, steps=[]).check("y / (h - h)").step is Step.DEFINED


def test_label_smoothing_counts():
    assert Screen(10).check("y * log(h / y)").step is Step.DEFINED
    assert Screen(10, label_smoothing=0.1).check("y * log(h / y)").passed


def test_rejected_expressions_do_not_learn():
    """On a problem that cross-entropy solves, what the theory rejects stays near chance."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(10, 20, generator=generator) * 2
    target = torch.arange(500) % 10
    inputs = centres[target] + torch.randn(500, 20, generator=generator)

    def accuracy(expression: str) -> float:
        torch.manual_seed(0)
        model = torch.nn.Linear(20, 10)
        torch.nn.init.zeros_(model.weight)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        loss = TreeLoss(expression)
        for _ in range(60):
            optimizer.zero_grad()
            value = loss(model(inputs), target)
            if not value.isfinite():
                return 0.1
            value.backward()
            optimizer.step()
        return float((model(inputs).argmax(-1) == target).float().mean())

    assert accuracy("y * log(h)") > 0.9
    for expression in ("log(h) + y / h", "log(h) + y - y", "log(h - y)", "h + square(y)"):
        assert not Screen(10).check(expression).passed
        assert accuracy(expression) < 0.2


@pytest.mark.parametrize("arguments", [{"num_classes": 1}, {"num_classes": 10, "steps": ["leaves", "luck"]}])
def test_bad_settings_are_refused(arguments):
    with pytest.raises(SettingsError):
        Screen(**arguments)


def test_unreadable_expressions_are_refused():
    with pytest.raises(LossError):
        Screen(10).check("exp(h)")


@pytest.mark.parametrize(
    ("sameness", "one", "other", "same"),
    [
        ("behaviour", "y * log(h)", "square(y) * log(h) + h + y", True),
        ("behaviour", "y * log(h)", "2 * y * log(h)", False),
        ("shape", "y * log(h)", "2 * y * log(h)", True),
        ("shape", "y * log(h)", "-2 * y * log(h)", False),
        ("formula", "y * log(h)", "log(h) * y + y", True),
        ("formula", "y * log(h)", "square(y) * log(h)", False),
        ("behaviour", "y / (h - h)", "log(0) * h", False),
    ],
)
def test_repetition_is_what_was_asked_for(sameness, one, other, same):
    key = repetition_key(sameness, num_classes=10)
    assert (key(one) == key(other)) is same


def test_unknown_sameness_is_refused():
    with pytest.raises(SettingsError):
        repetition_key("colour", num_classes=10)
