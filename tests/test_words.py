"""What is piped is not broken into lines; what a person reads is."""

import io

import pytest
from rich.console import Console

from glo_lightning.search.progress import Progress
from glo_lightning.telling import shown
from glo_lightning.words import say

FORMULA = "ℒ = " + " + ".join(f"{k}.123456·y·h^{k}" for k in range(20))


@pytest.mark.parametrize("terminal", [False, True])
def test_sentences_and_formulas_are_left_whole_where_they_are_piped(terminal: bool) -> None:
    printed = io.StringIO()
    console = Console(file=printed, width=80, force_terminal=terminal)
    say(console, f"{FORMULA} [bold]")
    with shown(console=console):
        Progress(console).note(FORMULA)
    lines = printed.getvalue().splitlines()
    assert (lines == [f"{FORMULA} [bold]", FORMULA]) is not terminal
    assert "[bold]" in printed.getvalue()
