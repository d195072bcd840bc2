"""The trainings of a verdict, which all workers of a search share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import optuna

from glo_lightning.compare.shared_trainings import SharedTrainings
from glo_lightning.search.exploration.evaluators import EvaluatorFactory, Length
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.progress import Progress, Trainings, trainings_ahead
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Evaluator, Run
from glo_lightning.training.seeds import fresh_seeds


class VerdictTrainings:
    """Trains what a verdict needs, in lists beside the search's study, and tells the progress of each list.

    Args:
        settings: seeds and attempts.
        study: of the search.
        evaluators: make what trains.
        progress: told of every training.
    """

    def __init__(
        self, settings: SearchSettings, study: optuna.Study, evaluators: EvaluatorFactory, progress: Progress
    ) -> None:
        self.settings = settings
        self.study = study
        self.evaluators = evaluators
        self.progress = progress

    @property
    def monitor(self) -> Monitor:
        """The metric of candidates."""
        return self.evaluators.monitor

    def score(self, runs: Sequence[Run], purpose: str) -> list[Evaluation]:
        """Train runs as candidates are trained."""
        return self.evaluator(purpose, "partial", len(runs)).evaluate(runs)

    def score_anew(self, runs: Sequence[Run], purpose: str) -> list[list[Evaluation]]:
        """Train each run as candidates are, with the same fresh seeds in place of its own."""
        seeds = fresh_seeds(self.settings.seed, "finalists", self.settings.finalist_seeds)
        evaluations = iter(self.score([replace(run, seed=seed) for run in runs for seed in seeds], purpose))
        return [[next(evaluations) for _ in seeds] for _ in runs]

    def evaluator(self, purpose: str, length: Length, count: int) -> SharedTrainings:
        """Return what trains and scores on the validation split.

        Args:
            purpose: one of ``PURPOSES``.
            length: of a training.
            count: how many there will be.
        """
        epochs = [task.epochs if length == "partial" else task.full_epochs for task in self.evaluators.tasks]
        basis = {"epochs": epochs if len(epochs) > 1 else epochs[0], "split": "val"}
        announce = partial(self._announce, purpose, length, count, 0)
        return self._shared(self.evaluators.make(length), purpose, basis, self.monitor, announce, count)

    def evaluator_on_test(self, task: ProbedTask, place: int, count: int) -> SharedTrainings:
        """Return what trains fully and scores on the test split of one task.

        Args:
            task: one of the search's.
            place: among them, from 0.
            count: how many trainings there will be on each.
        """
        basis = {"epochs": task.full_epochs, "split": "test", **({"task": task.name} if task.name else {})}
        if task.probe.own_loss:
            basis["own loss"] = task.probe.own_loss
        announce = partial(self._announce, "comparison", "full", count * len(self.evaluators.tasks), count * place)
        evaluator = self.evaluators.make_for(task, "full", "test")
        return self._shared(evaluator, "comparison", basis, task_monitor(self.settings), announce, count)

    def _shared(
        self,
        evaluator: Evaluator,
        purpose: str,
        basis: Mapping[str, Any],
        monitor: Monitor,
        announce: Callable[[int], None],
        count: int,
    ) -> SharedTrainings:
        announce(0)
        batch = self.evaluators.share(min(count, self.settings.candidates_per_generation))
        return SharedTrainings(evaluator, self.study, purpose, basis, monitor, self.settings.attempts, batch, announce)

    def _announce(self, purpose: str, length: Length, total: int, before: int, done: int) -> None:
        full = self.evaluators.tasks[0].relative_length
        ahead = trainings_ahead(self.settings, full, purpose)
        own = 1.0 if length == "partial" else full
        self.progress.trainings(Trainings(purpose, before + done, total, own, ahead))
