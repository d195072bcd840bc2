"""Progress: one line per generation in a terminal, silence elsewhere."""

import io

from rich.console import Console

from glo_lightning.search.progress import Progress
from glo_lightning.search.records import GenerationSummary


def _say(terminal: bool) -> str:
    file = io.StringIO()
    progress = Progress(Console(file=file, force_terminal=terminal, width=80, color_system=None))
    progress.start("searching", generations=20, finished=3)
    progress.generation(GenerationSummary(3, 0.9583, 0.9021, 17, 3, 20, 3.25, {}))
    progress.generation(GenerationSummary(4, None, None, 0, 20, 20, 0.0, {}))
    return file.getvalue()


def test_a_terminal_sees_a_line_per_generation_within_80_columns() -> None:
    text = _say(terminal=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "continuing after 3 finished generations" in text
    assert "4/20   0.9583   0.9021     3 of 20" in text
    assert "5/20        -        -    20 of 20" in text


def test_a_pipe_sees_nothing() -> None:
    assert _say(terminal=False) == ""
