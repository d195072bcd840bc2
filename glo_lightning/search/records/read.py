"""Read a search back from its output folder, finished or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from glo_lightning.compare.shared_trainings import REUSED
from glo_lightning.errors import StudyError
from glo_lightning.losses import Loss
from glo_lightning.search.monitors import search_monitor
from glo_lightning.search.records.candidates import (
    BaselineScore,
    CandidateRecord,
    baseline_of,
    best_candidates,
    count_crashes,
    read_candidates,
)
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.search.records.lineage import Ancestor, trace_descent
from glo_lightning.search.records.verdict import PURPOSES, STORED, Verdict
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.search.storage.attributes import Attributes
from glo_lightning.search.storage.study import (
    ENVIRONMENTS,
    FINGERPRINT,
    fingerprint_of,
    is_rival,
    later_stages,
    stage_title,
    tuned_expression,
)
from glo_lightning.training.monitor import Monitor


@dataclass(frozen=True)
class Phase:
    """What one part of a search cost.

    Args:
        title: what was done.
        trainings: how many trainings ended.
        failures: how many crashed.
        seconds: training time of all of them together.
        begin: when the first began; None if none has.
        end: when the last ended; None if none has.
    """

    title: str
    trainings: int
    failures: int
    seconds: float
    begin: datetime | None
    end: datetime | None

    @property
    def elapsed(self) -> float:
        """Seconds from the first beginning to the last end, pauses and interruptions included."""
        return 0.0 if self.begin is None or self.end is None else (self.end - self.begin).total_seconds()


@dataclass(frozen=True)
class Archive:
    """A search as its folder and its study keep it.

    Args:
        folder: the output folder.
        configuration: of the last run.
        study: of the search.
    """

    folder: Path
    configuration: Configuration
    study: optuna.Study

    @classmethod
    def open(cls, folder: Path) -> "Archive":
        """Open the folder of a search that has begun; nothing is written.

        Raises:
            StudyError: if there is no search in the folder, or it has not proposed anything yet.
            SettingsError: if its settings are damaged.
        """
        configuration = Configuration.read(folder)
        settings = configuration.settings
        try:
            study = optuna.load_study(study_name=settings.study_name, storage=configuration.open_storage())
        except KeyError:
            study = None
        if study is None or FINGERPRINT not in study.user_attrs:
            raise StudyError(
                f"a study named {settings.study_name!r} in the storage of {str(folder)!r}",
                "none that has begun",
                "Wait until the search has trained its first candidates.",
            )
        return cls(folder, configuration, study)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What was searched: space, task, seed."""
        return fingerprint_of(self.study)

    @property
    def settings(self) -> SearchSettings:
        """Of the last run."""
        return self.configuration.settings

    @property
    def num_classes(self) -> int:
        """Classes of the task."""
        return int(self.fingerprint["num_classes"])

    @property
    def monitor(self) -> Monitor:
        """The metric that scored candidates."""
        return search_monitor(self.settings)

    @cached_property
    def stages(self) -> dict[str, list[CandidateRecord]]:
        """The candidates of every stage by the name of its study, the main stage first."""
        return {study.study_name: read_candidates(study) for study in (self.study, *later_stages(self.study))}

    @property
    def baseline(self) -> BaselineScore | None:
        """What everybody trains with in the training of a candidate; None if it is not known."""
        return baseline_of(self.study)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The end of the search; None if it has not come that far."""
        stored = self.study.user_attrs.get(STORED)
        return None if stored is None else Verdict.from_dict(stored)

    @property
    def leader(self) -> CandidateRecord | None:
        """The winner, or the best candidate so far; None if none has trained."""
        candidates = [candidate for stage in self.stages.values() for candidate in stage]
        if self.verdict is not None:
            first = self.verdict.finalists[0]
            return next(each for each in candidates if (each.study, each.trial) == (first.study, first.trial))
        if all(candidate.metric is None for candidate in candidates):
            return None
        return best_candidates(candidates, self.monitor, 1)[0]

    @property
    def lineage(self) -> list[Ancestor]:
        """The trees that the leader descends from, oldest first; empty where candidates are no trees."""
        trees, leader = self.stages[self.study.study_name], self.leader
        if leader is None or not trees[0].origin:
            return []
        return trace_descent(leader, trees, tuned_expression(leader.study))

    @property
    def environments(self) -> list[dict[str, str]]:
        """Versions and machines the search ran with, the latest last."""
        environments: list[dict[str, str]] = self.study.user_attrs.get(ENVIRONMENTS, [])
        return environments

    def build(self, candidate: CandidateRecord) -> Loss:
        """Return the loss of a candidate.

        Raises:
            LossError: if its expression is undefined everywhere.
        """
        study = optuna.load_study(study_name=candidate.study, storage=storage_of(self.study))
        return space_of(study).build(candidate.parameters)

    def title(self, study_name: str) -> str:
        """Return what a stage is called where people read it."""
        return stage_title(study_name)

    def phases(self) -> list[Phase]:
        """Return what was done and what it cost, in the order of its beginning."""
        own = self.study.study_name
        storage = storage_of(self.study)
        phases = []
        for name in optuna.get_all_study_names(storage):
            purpose = name.split("/")[1] if name.startswith(f"{own}/") else ""
            if name == own or purpose in (*PURPOSES, "coefficients", "rival"):
                study = optuna.load_study(study_name=name, storage=storage)
                phases.append(_measure(study, _title(name, purpose)))
        return sorted(phases, key=lambda phase: phase.begin or datetime.max)

    def failures(self) -> dict[str, int]:
        """Return how often which reason made a candidate's training crash."""
        return dict(count_crashes((self.study, *later_stages(self.study))))


def _title(study_name: str, purpose: str) -> str:
    if not purpose:
        return "search"
    if purpose in PURPOSES:
        return PURPOSES[purpose].partition(",")[0]
    if is_rival(study_name):
        return "tuning the rival"
    return f"tuning the coefficients of {tuned_expression(study_name)}"


def _measure(study: optuna.Study, title: str) -> Phase:
    # What one list told another costs nothing again.
    trials = [
        each for each in study.get_trials(deepcopy=False) if each.state.is_finished() and REUSED not in each.user_attrs
    ]
    trainings = [Attributes.of_trial(study.study_name, trial).inside("training") for trial in trials]
    trained = [training for training in trainings if "seconds" in training]
    begins = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete is not None]
    return Phase(
        title,
        len(trained),
        sum(trial.state == TrialState.FAIL for trial in trials),
        sum(training.number("seconds") for training in trained),
        min(begins, default=None),
        max(ends, default=None),
    )
