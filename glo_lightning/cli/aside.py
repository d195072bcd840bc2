"""What a verb says while it works, to people alone."""

from rich.console import Console


def say_aside(console: Console, line: str) -> None:
    """Print a dim line in a terminal, and nothing where the output is piped."""
    if console.is_terminal:
        console.print(line, style="dim", highlight=False, markup=False)
