"""What to call a setting in an error: as the user wrote it, on the command line or in Python."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_SECTION: ContextVar[str] = ContextVar("section", default="")


@contextmanager
def options_of(section: str) -> Iterator[None]:
    """Call settings what the command line of a verb calls them, for a while; ``""`` for Python's names.

    Example:
        >>> option("mode"), option("mode", "max")
        ('mode', "mode='max'")
        >>> with options_of("search"):
        ...     option("mode"), option("mode", "max")
        ('--search.mode', '--search.mode=max')
    """
    token = _SECTION.set(section)
    try:
        yield
    finally:
        _SECTION.reset(token)


def section() -> str:
    """Return the verb whose command line is at work; empty in Python."""
    return _SECTION.get()


def option(name: str, *value: Any) -> str:
    """Return how the user writes a setting, alone or with a value.

    Args:
        name: of the setting.
        value: what it should be set to, if that is to be said, too.
    """
    prefix = f"--{section()}." if section() else ""
    if not value:
        return f"{prefix}{name}"
    return f"{prefix}{name}={_written(value[0]) if prefix else repr(value[0])}"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str, separators=(",", ":"))
