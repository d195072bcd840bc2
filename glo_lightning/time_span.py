"""Read how long something may take, as people write it."""

import re
from datetime import timedelta

from glo_lightning.errors import SettingsError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""What units take, by their first letters."""

AMOUNT = r"(\d{1,9}(?:\.\d+)?)\s*(days?|d|hours?|h|minutes?|min|m|seconds?|sec|s)\s*"

CLOCK = (86400, 3600, 60, 1)
"""What the places of DD:HH:MM:SS take."""


def read_time_span(value: str | float | timedelta, name: str = "a time") -> float:
    """Return a time span in seconds.

    Args:
        value: a number of seconds; amounts with the units d, h, min and s, as in ``"1h 30min"``; a clock's
            ``"HH:MM:SS"`` or, as the Trainer's ``max_time``, ``"DD:HH:MM:SS"``; or a ``timedelta``.
        name: what errors call it.

    Returns:
        Seconds, above 0.

    Raises:
        SettingsError: if it is something else.

    Example:
        >>> read_time_span("10min"), read_time_span("1h30min"), read_time_span("00:01:30:00"), read_time_span(90)
        (600.0, 5400.0, 5400.0, 90.0)
        >>> read_time_span("a while")
        Traceback (most recent call last):
        glo_lightning.errors.SettingsError: Expected a time such as 90s, 10min or 1h30min, got 'a while'. ...
    """
    if isinstance(value, str):
        seconds = _read(value.strip())
    else:
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not 0.0 < seconds < float("inf"):
        raise SettingsError(
            f"{name} such as 90s, 10min or 1h30min", repr(value), "Units are d, h, min and s; a number counts seconds."
        )
    return float(seconds)


def _read(text: str) -> float:
    """Return the seconds of a text; 0 if it is no time span."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    if re.fullmatch(r"\d{1,9}(:\d{1,2}){2,3}", text):
        parts = text.split(":")
        return sum(int(part) * unit for part, unit in zip(parts, CLOCK[-len(parts) :], strict=True))
    if re.fullmatch(f"({AMOUNT})+", text):
        return sum(float(amount) * SECONDS[unit[0]] for amount, unit in re.findall(AMOUNT, text))
    return 0.0
