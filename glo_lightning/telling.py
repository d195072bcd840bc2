"""What is told while a verb works: records of logging, shown on standard error where nobody else takes them."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

Verbosity = Literal["quiet", "normal", "verbose"]

LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}

_logger = logging.getLogger("glo_lightning")

_opening = threading.Lock()
_displays: list[logging.Handler] = []
_as_it_was: dict[str, int] = {}
"""Level and propagation of the logger before the first of the displays."""


class Display(logging.Handler):
    """Shows records as they are; in a terminal with their ``style``, broken between words, details cut to a line.

    Args:
        console: where.
    """

    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        in_terminal = self._console.is_terminal
        cut = in_terminal and record.levelno < logging.INFO
        try:
            self._console.print(
                self.format(record),
                style=getattr(record, "style", ""),
                highlight=False,
                markup=False,
                soft_wrap=not in_terminal,
                no_wrap=cut or None,
                overflow="ellipsis" if cut else None,
            )
        except Exception:
            self.handleError(record)


@contextmanager
def shown(verbosity: Verbosity = "normal", console: "Console | None" = None) -> Iterator["Console"]:
    """Show what the logger ``glo_lightning`` is told for a while, unless somebody gave handlers to it or to the root.

    A level of that logger can make it quieter than ``verbosity``, and never louder. Several may be shown at a time,
    in one thread or more, each as loud as it was asked for: the logger is as it was when the last has ended.

    Args:
        verbosity: quiet (warnings alone), normal or verbose.
        console: shows it whoever else listens; by default standard error.

    Returns:
        Where a bar may be shown, too: quiet if records go elsewhere, or are not wanted.

    Example:
        >>> from rich.console import Console
        >>> with shown(console=Console(width=80)):
        ...     logging.getLogger("glo_lightning.anywhere").info("half of it is done")
        half of it is done
    """
    from rich.console import Console

    with _opening:
        taken = console is None and _logger.hasHandlers()
        console = console or Console(stderr=True)
        display = logging.NullHandler() if taken else Display(console)
        display.setLevel(LEVELS[verbosity])
        if not _displays:
            _as_it_was.update(level=_logger.level, propagate=_logger.propagate)
        _displays.append(display)
        _logger.addHandler(display)
        _settle()
        has_bar = not taken and display.level <= logging.INFO and _logger.isEnabledFor(logging.INFO)
    try:
        yield console if has_bar else Console(quiet=True)
    finally:
        with _opening:
            _logger.removeHandler(display)
            _displays.remove(display)
            _settle()


def _settle() -> None:
    """Set the logger to what all displays together ask for; without any, to what it was before."""
    level, propagate = _as_it_was["level"], bool(_as_it_was["propagate"])
    if _displays:
        level = max(level, min(display.level for display in _displays))
        # Libraries give the root a handler in passing: nothing shall be told twice from then on.
        propagate = propagate and all(isinstance(display, logging.NullHandler) for display in _displays)
    _logger.setLevel(level)
    _logger.propagate = propagate
