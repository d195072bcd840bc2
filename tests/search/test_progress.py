"""Progress: a line per generation everywhere, a bar in terminals, nothing where nothing is wanted."""

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console

from glo_lightning.losses import Outputs
from glo_lightning.search import progress as progress_module
from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.progress import Progress, Standing, Trainings, trainings_ahead
from glo_lightning.search.records.candidates import BaselineScore, CandidateRecord, GenerationSummary
from glo_lightning.search.records.verdict import PURPOSES
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.verdict.tuned import known_rivals
from glo_lightning.telling import Verbosity, shown
from glo_lightning.training.monitor import Monitor
from tests.runs import search


def say(terminal: bool = False, verbosity: Verbosity = "normal") -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with shown(verbosity, console) as bar, Progress(bar) as progress:
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
    assert "best 0.9612, 41 % may train," in text
    assert "/min" in text
    assert "left" in text


class Clock:
    """Time as a test wants it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_what_is_left_counts_finalists_and_comparison_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    file = io.StringIO()
    settings = SearchSettings(finalists=5, finalist_seeds=3, comparison_seeds=10, rival_budget=0)
    ahead = trainings_ahead(settings, length=4.0)
    assert ahead == 5 * 3 + 3 * 10 * 4, "cross-entropy, its twin and the winner are trained four times as long"
    with shown(console=Console(file=file, width=100)) as bar, Progress(bar) as progress:
        progress.start("searching", Standing(4, 400, 0, None, 0, 0, ahead), finished=0)
        progress.advance(Standing(4, 400, 0, None, 0, 0, ahead))
        clock.now = 100.0  # a candidate a second, of which one in two trains
        summary = GenerationSummary(0, 0.9, 0.8, 50, 50, 100, 50.0, {"trained": 50, "exact": 50})
        for generation, done in enumerate((100, 400)):
            standing = Standing(4, 400, done, 0.9, done // 2, done, ahead)
            progress.advance(standing)
            progress.generation(replace(summary, generation=generation), standing)
        clock.now = 1000.0
        progress.trainings(Trainings("finalists", 0, 15, 1.0, trainings_ahead(settings, 4.0, "finalists")))
        clock.now = 1010.0
        progress.trainings(Trainings("finalists", 5, 15, 1.0, trainings_ahead(settings, 4.0, "finalists")))
        clock.now = 2000.0
        progress.trainings(Trainings("comparison", 20, 30, 4.0))  # 20 are from an earlier run
        clock.now = 2040.0
        for done in (25, 25, 30):
            progress.trainings(Trainings("comparison", done, 30, 4.0))
    left = [line.rpartition("  ")[2].strip() for line in file.getvalue().splitlines()]
    assert left[2] == "9 min 30 s", "300 candidates at one a second, and 135 trainings of 2 seconds"
    assert left[3] == "1 min 8 s", "135 trainings at 200 in 100 seconds"
    assert left[4:] == [
        PURPOSES["finalists"],
        "5/15 trainings, 4 min 20 s left",  # 10 finalists and 120 in the comparison, 2 seconds each
        PURPOSES["comparison"],
        "20/30 trainings, 1 min 20 s left",  # 10 of 8 seconds
        "25/30 trainings, 40 s left",  # 5 of 8 seconds
        "30/30 trainings",
    ]


def test_what_is_left_counts_rivals() -> None:
    settings = SearchSettings(generations=5, population_size=20, finalists=5, finalist_seeds=3, comparison_seeds=10)
    without = trainings_ahead(replace(settings, rival_budget=0), length=4.0)
    more = trainings_ahead(settings, length=4.0) - without
    tuned, known, finalists, rows = 100, 11, 2 * 15, 2 * 10 * 4
    assert more == tuned + known + finalists + rows
    of_numbers = replace(settings, outputs="real", monitor="val_loss", mode="min")
    assert trainings_ahead(settings, 4.0) - trainings_ahead(of_numbers, 4.0) == 11 - 6


@pytest.mark.parametrize("outputs", ["softmax", "sigmoid", "real"])
def test_as_many_known_losses_are_counted_as_a_verdict_tries(outputs: Outputs) -> None:
    monitor = {"monitor": "val_loss", "mode": "min"} if outputs == "real" else {}
    settings = SearchSettings(outputs=outputs, **monitor)
    with_known, after = (trainings_ahead(settings, 1.0, after=each) for each in ("finalists", "known"))
    assert with_known - after == len(known_rivals([2], outputs))
    assert trainings_ahead(replace(settings, comparison_seeds=0), 4.0) == 15


def test_cross_entropy_stands_above_the_candidates() -> None:
    console = Console(file=io.StringIO(), width=80)
    with shown(console=console), Progress(console) as progress:
        progress.start("searching", Standing(20, 400, 0, None, 0, 0), finished=0)
        progress.beside(BaselineScore("cross-entropy", 0.71))
        progress.generation(GenerationSummary(0, 0.5, 0.4, 4, 0, 4, 1.0, {"trained": 4}), Standing(1, 4, 4, 0.5, 4, 4))
    file: Any = console.file
    _, head, cross_entropy, first = file.getvalue().splitlines()
    assert cross_entropy.split() == ["cross-entropy", "0.7100"]
    assert head.index("best") + 4 == cross_entropy.index("0.7100") + 6 == first.index("0.5000") + 6


def test_metrics_that_four_decimals_do_not_show_are_written_as_a_verdict_writes_them() -> None:
    console = Console(file=io.StringIO(), width=80)
    with shown(console=console), Progress(console) as progress:
        progress.start("searching", Standing(20, 400, 0, None, 0, 0), finished=0)
        summary = GenerationSummary(0, 3.127e-6, 123456.7, 4, 0, 4, 1.0, {"trained": 4})
        progress.generation(summary, Standing(1, 4, 4, 3.127e-6, 4, 4))
    file: Any = console.file
    assert file.getvalue().splitlines()[-1].split()[1:4] == ["3.13e-06", "3.13e-06", "1.235e+05"]


def test_a_search_shows_every_training_of_its_verdict(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    search(tmp_path, generations=1, population_size=4, invariant="none", comparison_seeds=2, rival_budget=0)
    lines = [message.strip() for message in caplog.messages]
    assert "4 candidates, and a verdict that takes as long as 10 more" in lines, "finalists, and three rows of two"
    assert lines.index(PURPOSES["finalists"]) < lines.index(PURPOSES["comparison"])
    counts = [line.split()[0] for line in lines if " trainings" in line]
    assert counts[:4] == ["1/4", "2/4", "3/4", "4/4"], "two finalists with two seeds each"
    compared = len(counts) - 4
    assert counts[4:] == [f"{done}/{compared}" for done in range(1, compared + 1)]
    assert compared in (4, 6), "with or without a twin of the winner's scale"


def test_a_file_sees_no_control_characters() -> None:
    text = say()
    assert text.replace("\n", "").isprintable()
    assert "91/400" not in text


def test_candidates_have_lines_if_wanted() -> None:
    assert "4.2" not in say()
    for terminal in (False, True):
        (line,) = [line for line in say(terminal, "verbose").splitlines() if "completed" in line]
        assert "4.2" in line
        assert "0.9000" in line
        assert ("h" * 90 in line) is not terminal, (
            "a formula is cut where it would not fit, and whole where it is piped"
        )


def test_quiet_is_quiet() -> None:
    assert say(terminal=True, verbosity="quiet") == ""
    assert say(verbosity="quiet") == ""


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
