"""The metric that decides, and which way of it is up. Imports nothing heavy: settings read it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from glo_lightning.checked import Checked
from glo_lightning.errors import SettingsError
from glo_lightning.options import option

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class Monitor(Checked):
    """The metric that decides, and which way is up; nothing else compares metrics.

    Args:
        name: the logged name, e.g. ``"val_accuracy"``.
        mode: ``"max"`` if higher is better, ``"min"`` if lower is.
        worst: the metric a diverged training gets; by default 0 for ``"max"`` and 1e6 for ``"min"``.

    Raises:
        SettingsError: if there is no name, the mode is neither of these, or the worst metric is not finite.

    Example:
        >>> monitor = Monitor("val_loss", "min")
        >>> monitor.is_better(0.25, than=0.5), monitor.gain(0.25, over=0.5), monitor.best([0.5, 0.25])
        (True, 0.25, 0.25)
        >>> sorted([0.5, 0.25, 1.0], key=monitor.rank_key)
        [0.25, 0.5, 1.0]
    """

    name: str = "val_accuracy"
    mode: Mode = "max"
    worst: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name.strip():
            raise SettingsError("the name of a logged metric", repr(self.name), "Use monitor='val_accuracy'.")

    @property
    def worst_metric(self) -> float:
        """The finite metric of a training that has none of its own."""
        if self.worst is None:
            return 0.0 if self.mode == "max" else 1e6
        return self.worst

    def gain(self, metric: float, over: float) -> float:
        """Return by how much a metric is better than another; negative if it is worse."""
        return metric - over if self.mode == "max" else over - metric

    def is_better(self, metric: float, than: float) -> bool:
        """Whether a metric is better than another, by however little."""
        return metric > than if self.mode == "max" else metric < than

    def rank_key(self, metric: float) -> float:
        """Return what sorts metrics from the best to the worst."""
        return -metric if self.mode == "max" else metric

    def best(self, metrics: Iterable[float]) -> float:
        """Return the best of one or more metrics."""
        return max(metrics) if self.mode == "max" else min(metrics)


LESS_IS_BETTER = frozenset({"loss", "error", "err", "nll", "mae", "mse", "rmse", "perplexity", "ece"})
"""Last words of metrics of which less is better, whoever logs them."""


def require_direction(monitor: str, mode: Mode) -> None:
    """Refuse to maximise a loss, as ``mode=max`` does where ``mode=min`` was forgotten.

    Args:
        monitor: the metric's name.
        mode: which way is up.

    Raises:
        SettingsError: if the metric is one of which less is better.
    """
    words = re.findall(r"[a-z]+", monitor.lower())
    if mode == "max" and words and words[-1] in LESS_IS_BETTER:
        raise SettingsError(
            f"{option('mode', 'min')} with {option('monitor', monitor)}, of which less is better",
            option("mode", "max"),
            f"Set {option('mode', 'min')}; log a metric of which more is better under another name.",
        )


def name_on_test(monitor: str) -> str:
    """Return the name of a validation metric on the test split: ``val_accuracy`` becomes ``test_accuracy``."""
    return re.sub(r"(?<![a-z])(validation|valid|val)(?![a-z])", "test", monitor)
