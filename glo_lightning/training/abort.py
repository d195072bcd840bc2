"""Follow a training by its validations, and say when to stop it and why."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Status


@dataclass(frozen=True)
class AbortRule:
    """Gives up on a training that is still no better than chance, and tries it again with another seed.

    Args:
        below: the metric under which a training is given up (above which, if lower is better).
        epoch: the epoch, from 0; the first validation after it or a later one decides.
        attempts: times a loss is tried again after a training that was given up; 0 or more.

    Source: arXiv:2010.00788, appendix on experimental details: 0.15 at the tenth epoch, up to two more attempts.
    """

    below: float
    epoch: int
    attempts: int = 1

    def after(self, attempts: int) -> "AbortRule":
        """Return the rule of the training that comes after so many attempts."""
        return replace(self, attempts=self.attempts - attempts)


class ValidationFollower:
    """Sees every validation of one training, and says when to stop it.

    What is reported is of one training alone: as long as this one may yet be given up for another, its reports wait.

    Args:
        monitor: the metric.
        report: called with (epoch, metric); a reply of True stops the training.
        abort: when to give up; None for never.

    Attributes:
        epoch: the last epoch seen, from 0; -1 before the first.
        curve: the metric after each validation, up to the first that was not finite.
        status: how the training ends if it is stopped, else ``COMPLETED``.
        reason: why it was stopped, or empty.
    """

    def __init__(
        self, monitor: Monitor, report: Callable[[int, float], bool] | None = None, abort: AbortRule | None = None
    ) -> None:
        self.monitor = monitor
        self.report = report
        self.abort = abort
        self.epoch = -1
        self.curve: list[float] = []
        self._seen = 0
        self.status = Status.COMPLETED
        self.reason = ""
        self._is_promising = False
        self._waiting: list[tuple[int, float]] = []

    def see(self, epoch: int, metric: float) -> bool:
        """Take in a validation and return whether to stop."""
        self.epoch = epoch
        known = metric if math.isfinite(metric) else self.monitor.worst_metric
        if math.isfinite(metric) and len(self.curve) == self._seen:
            self.curve.append(metric)
        self._seen += 1
        if self.abort is not None and not self._is_promising and epoch >= self.abort.epoch:
            self._is_promising = not self.monitor.is_better(self.abort.below, than=known)
            if not self._is_promising:
                self.status = Status.ABORTED
                self.reason = f"{self.monitor.name} {metric:.4g} after epoch {epoch}, {self.abort.below:g} was required"
        self._waiting.append((epoch, known))
        if self.abort is None or self.abort.attempts == 0 or self._is_promising:
            self._tell()
        return self.status is not Status.COMPLETED

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for epoch, metric in waiting:
            if self.report is not None and self.report(epoch, metric) and self.status is Status.COMPLETED:
                self.status = Status.PRUNED
                self.reason = f"stopped by the pruner after epoch {epoch}"
                return


def attempt_seed(seed: int, attempt: int) -> int:
    """Return the seed of an attempt: the seed itself first, then others that only depend on it."""
    return seed if attempt == 0 else int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])
