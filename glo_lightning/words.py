"""Words for people: numbers as they read them, lines as their terminal has room for."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


ROUNDING = 1e-12
"""Size of what is nothing but rounding."""


def number(value: float, sign: str = "") -> str:
    """Write a metric with four decimals; a large one with four digits, and one too small for decimals with three.

    Example:
        >>> number(0.97243), number(0.00224, "+"), number(123456.7), number(3.127e-6), number(-1e-17, "+")
        ('0.9724', '+0.0022', '1.235e+05', '3.13e-06', '+0.0000')
    """
    size = abs(value)
    if size < ROUNDING:
        value = 0.0
    elif size < 5e-5:
        return format(value, f"{sign}.3g")
    return format(value, f"{sign}.4f" if size < 1000.0 else f"{sign}.4g")


def duration(seconds: float) -> str:
    """Write a time span as people do.

    Example:
        >>> duration(0.42), duration(75), duration(3 * 3600 + 120)
        ('0.4 s', '1 min 15 s', '3 h 2 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def place(path: Path) -> str:
    """Write a path as it is seen from the folder that is worked in, where it is in there.

    Example:
        >>> place(Path.cwd() / "runs" / "mine"), place(Path("/nfs/mine"))
        ('runs/mine', '/nfs/mine')
    """
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def say(console: "Console", text: str, style: str = "") -> None:
    """Print text: broken into lines in a terminal, and left as it is where the output is piped.

    Example:
        >>> from rich.console import Console
        >>> say(Console(width=20), "A sentence that is longer than that.")
        A sentence that is longer than that.
    """
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=not console.is_terminal)
