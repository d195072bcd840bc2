"""Progress: a line per generation everywhere, a bar in terminals, nothing where nothing is wanted."""

import io
import time
from typing import Any

import optuna
import pytest
from rich.console import Console

from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.progress import Progress, Standing
from glo_lightning.search.records.candidates import CandidateRecord, GenerationSummary
from glo_lightning.training.monitor import Monitor


def say(terminal: bool = False, quiet: bool = False, every_candidate: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None, quiet=quiet)
    with Progress(console, every_candidate) as progress:
        progress.start("searching", Standing(20, 400, 60, 0.91, 50, 60), finished=3)
        trained = GenerationSummary(3, 0.9583, 0.9021, 17, 3, 20, 3.25, {"trained": 17, "exact": 83})
        progress.candidate(CandidateRecord("s", 61, 3, 1, 0.9, {}, "L = " + "h" * 90, "completed", "", 0.5))
        progress.generation(trained, Standing(20, 400, 80, 0.9612, 67, 160))
        progress.advance(Standing(20, 400, 91, 0.9612, 70, 170))
        progress.generation(
            GenerationSummary(4, None, None, 0, 20, 20, 0.0, {}), Standing(20, 400, 100, 0.9612, 67, 160)
        )
        progress.note("what comes next")
    file: Any = console.file
    return str(file.getvalue())


@pytest.mark.parametrize("terminal", [True, False])
def test_every_generation_has_a_line_within_80_columns(terminal: bool) -> None:
    text = say(terminal)
    assert "continuing after 3 finished generations" in text
    assert "4/20   0.9583   0.9612   0.9021      17 %" in text
    assert "5/20        -   0.9612        -         -" in text
    assert max(len(line) for line in text.splitlines() if "\x1b" not in line) <= 80


def test_a_terminal_sees_how_far_the_search_is() -> None:
    text = say(terminal=True)
    assert "91/400" in text
    assert "best 0.9612, 41 % accepted," in text
    assert "/min" in text
    assert "left" in text


def test_a_file_sees_no_control_characters() -> None:
    text = say()
    assert text.replace("\n", "").isprintable()
    assert "91/400" not in text


def test_candidates_have_lines_if_wanted() -> None:
    assert "4.2" not in say()
    for terminal in (False, True):
        (line,) = [line for line in say(terminal, every_candidate=True).splitlines() if "completed" in line]
        assert "4.2" in line
        assert "0.9000" in line
        assert ("h" * 90 in line) is not terminal, (
            "a formula is cut where it would not fit, and whole where it is piped"
        )


def test_quiet_is_quiet() -> None:
    assert say(terminal=True, quiet=True, every_candidate=True) == ""
    assert say(quiet=True) == ""


def test_looking_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def look(_: GenerationAnnouncer) -> None:
        looks.append(time.monotonic())
        time.sleep(0.002)

    monkeypatch.setattr(GenerationAnnouncer, "update", look)
    progress = Progress(Console(quiet=True))
    announcer = GenerationAnnouncer(optuna.create_study(), Monitor(), 4, 2, "searching", progress)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        announcer.glance()
    assert 1 <= len(looks) <= 12
