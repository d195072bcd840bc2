"""What goes into a training, and what comes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.losses import Loss

Split = Literal["val", "test"]
"""The data that a training is scored on."""


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
        loss: the loss to train with; None for the model's own, as it is configured.
        seed: fixes initial weights, data order and dropout.
        report: called after each validation with (epoch, metric); a reply of True stops the training.
        hyperparameters: of the model, where they differ from those it is configured with.
    """

    loss: Loss | None
    seed: int
    report: Callable[[int, float], bool] | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One training done.

    Args:
        metric: the monitored one, in its own direction; always finite, the worst there is if the training has none.
        status: how the training ended.
        reason: why it ended early, or empty.
        seconds: wall-clock time.
        seed: the seed it ran with.
        epoch: the last epoch that was validated, from 0; -1 if none was.
        metrics: the metric on each task, by its name, if there were several; not of those it diverged on.
        curve: the metric after each validation up to the first that was not finite, if there was one task.
    """

    metric: float
    status: Status
    reason: str = ""
    seconds: float = 0.0
    seed: int = 0
    epoch: int = -1
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[float, ...] = ()

    @property
    def validated(self) -> float | None:
        """The metric after the last validation, whatever split scored; None if there is none."""
        return self.curve[-1] if self.curve else None


class EvaluatorLostError(Exception):
    """A training crashed and took the evaluator with it; the candidate has failed, and nothing more can be trained."""


class Evaluator(Protocol):
    """Trains one model per run: one after another, all together, or shared with others."""

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run and return its evaluation, in the order given."""
        ...
