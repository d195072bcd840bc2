"""What every stage of a search works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.storages import BaseStorage

from glo_lightning.environment import describe_environment
from glo_lightning.search.exploration.baseline import measure_baseline
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.pruners import make_pruner
from glo_lightning.search.progress import Progress
from glo_lightning.search.records.candidates import CandidateRecord
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.storage.study import note_environment, open_study
from glo_lightning.theory.descent import FirstBatch
from glo_lightning.training.checks.targets import TargetScale
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluator, Run


@dataclass(frozen=True)
class Source:
    """Candidates, and what they mean.

    Args:
        study: holds the candidates.
        space: turns them into losses.
        hyperparameters: turns them into what else the candidates are, if anything.
    """

    study: optuna.Study
    space: LossSpace
    hyperparameters: HyperparameterSpace = field(default_factory=HyperparameterSpace)

    def run(self, candidate: CandidateRecord, seed: int) -> Run:
        """Return a training of a candidate."""
        parameters = candidate.parameters
        return Run(self.space.build(parameters), seed, hyperparameters=self.hyperparameters.build(parameters))


@dataclass(frozen=True)
class ExplorationContext:
    """Settings and tools of one process.

    Args:
        settings: of the search.
        storage: of its studies.
        fingerprint: what must not change while the search runs.
        evaluators: make what trains.
        hyperparameters: that are searched along with the loss.
        progress: where generations are announced.
        began: when the search began or was gone on with, in seconds since the epoch.
    """

    settings: SearchSettings
    storage: BaseStorage
    fingerprint: dict[str, Any]
    evaluators: EvaluatorFactory
    hyperparameters: HyperparameterSpace
    progress: Progress
    began: float

    @property
    def num_classes(self) -> tuple[int, ...]:
        """Numbers of classes of the tasks, each once."""
        return tuple(dict.fromkeys(task.num_classes for task in self.evaluators.tasks))

    @property
    def starts(self) -> tuple[int | FirstBatch, ...]:
        """Where the trainings of the tasks start, each once."""
        first = self.evaluators.tasks[0].start
        return self.num_classes if isinstance(first, int) else (first,)

    @property
    def targets(self) -> TargetScale:
        """Of real outputs, mean and standard deviation of the training targets."""
        return self.evaluators.tasks[0].targets

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Training samples of each class, for losses that know them; none unless they were asked for."""
        return self.evaluators.tasks[0].class_counts

    @property
    def num_heads(self) -> int:
        """Heads of the networks, main and auxiliary."""
        return self.evaluators.tasks[0].probe.num_heads

    @property
    def relative_length(self) -> float:
        """How long a full training is, in trainings of candidates."""
        return self.evaluators.tasks[0].relative_length

    @property
    def monitor(self) -> Monitor:
        """The metric."""
        return self.evaluators.monitor

    def open_study(
        self, sampler: GenerationalSampler[Any], suffix: str = "", facts: Mapping[str, Any] | None = None
    ) -> optuna.Study:
        """Open the search's study, which also decides how candidates train and what they are seen beside, or another.

        Args:
            sampler: proposes its candidates.
            suffix: appended to the search's name.
            facts: what else must not change while the study is worked on.
        """
        study = open_study(
            self.settings.study_name + suffix,
            self.storage,
            sampler,
            "maximize" if self.monitor.mode == "max" else "minimize",
            {**self.fingerprint, **(facts or {})},
            make_pruner(self.settings, self.evaluators.tasks[0].epochs),
        )
        study.set_metric_names([self.monitor.name])
        if not suffix:
            note_environment(study, describe_environment())
            self.evaluators.prepare(study, self.progress.note)
            measure_baseline(study, self.evaluators)
        return study

    def evaluator(self) -> Evaluator:
        """Return what trains candidates partially."""
        return self.evaluators.make(abort=True)
