"""Which way of a metric is up. Imports nothing heavy: settings read it."""

import re
from typing import Literal

from glo_lightning.errors import SettingsError

LESS_IS_BETTER = frozenset({"loss", "error", "err", "nll", "mae", "mse", "rmse", "perplexity", "ece"})
"""Last words of metrics of which less is better, whoever logs them."""


def require_direction(monitor: str, mode: Literal["max", "min"], section: str) -> None:
    """Refuse to maximise a loss, as ``mode=max`` does where ``mode=min`` was forgotten.

    Args:
        monitor: the metric's name.
        mode: which way is up.
        section: of the settings, for the cure.

    Raises:
        SettingsError: if the metric is one of which less is better.
    """
    words = re.findall(r"[a-z]+", monitor.lower())
    if mode == "max" and words and words[-1] in LESS_IS_BETTER:
        raise SettingsError(
            f"mode=min with monitor={monitor}, of which less is better",
            "mode=max",
            f"Set --{section}.mode=min; log a metric of which more is better under another name.",
        )
