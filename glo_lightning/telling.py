"""What is told while a verb works: records of logging, shown on standard error where nobody else takes them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

Verbosity = Literal["quiet", "normal", "verbose"]

LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}

_logger = logging.getLogger("glo_lightning")


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

    A level of that logger can make it quieter than ``verbosity``, and never louder.

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

    taken = console is None and _logger.hasHandlers()
    console = console or Console(stderr=True)
    display = logging.NullHandler() if taken else Display(console)
    level, propagate = _logger.level, _logger.propagate
    _logger.setLevel(max(level, LEVELS[verbosity]))
    # Libraries give the root a handler in passing: nothing shall be told twice from then on.
    _logger.propagate = propagate and taken
    _logger.addHandler(display)
    has_bar = _logger.isEnabledFor(logging.INFO) and not taken
    try:
        yield console if has_bar else Console(quiet=True)
    finally:
        _logger.removeHandler(display)
        _logger.setLevel(level)
        _logger.propagate = propagate
