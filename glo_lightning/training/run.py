"""What goes into a training, and what comes out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from glo_lightning.losses import Loss
from glo_lightning.training.task import Hyperparameters

Mode = Literal["max", "min"]


class Status(StrEnum):
    """How a training ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    ABORTED = "aborted"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """One training to do.

    Args:
        loss: the loss to train with.
        seed: fixes initial weights, data order and dropout.
        report: called after each validation with (epoch, score); a reply of True stops the training.
        hyperparameters: of the model, where they differ from those it is configured with.
    """

    loss: Loss
    seed: int
    report: Callable[[int, float], bool] | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One training done.

    Args:
        score: the monitored metric, turned so that higher is better; always finite.
        status: how the training ended.
        reason: why it ended early, or empty.
        seconds: wall-clock time.
        seed: the seed it ran with.
        epoch: the last epoch that was validated, from 0; -1 if none was.
        metrics: the metric on each task, by its name, if there were several.
    """

    score: float
    status: Status
    reason: str = ""
    seconds: float = 0.0
    seed: int = 0
    epoch: int = -1
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Monitor:
    """The metric that decides, and which way is up.

    Args:
        name: the logged name, e.g. ``"val_accuracy"``.
        mode: ``"max"`` if higher is better, ``"min"`` if lower is.
        worst: the metric value a diverged training gets; by default 0 for ``"max"`` and 1e6 for ``"min"``.

    Example:
        >>> Monitor("val_loss", "min").to_score(0.25)
        -0.25
    """

    name: str = "val_accuracy"
    mode: Mode = "max"
    worst: float | None = None

    def to_score(self, metric: float) -> float:
        """Turn the metric so that higher is better."""
        return metric if self.mode == "max" else -metric

    def to_metric(self, score: float) -> float:
        """Turn a score back into the metric."""
        return score if self.mode == "max" else -score

    @property
    def worst_score(self) -> float:
        """The finite score of a training that has none of its own."""
        if self.worst is None:
            return 0.0 if self.mode == "max" else -1e6
        return self.to_score(self.worst)

    def finite_score(self, metric: float) -> tuple[float, bool]:
        """Return the score, made finite, and whether it was finite."""
        return (self.to_score(metric), True) if math.isfinite(metric) else (self.worst_score, False)


class EvaluatorLostError(Exception):
    """A training crashed and took the evaluator with it; the candidate has failed, and nothing more can be trained."""


class Evaluator(Protocol):
    """Trains one model per run; the Trainer and the population evaluator are the two that exist."""

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run and return its evaluation, in the order given."""
        ...
