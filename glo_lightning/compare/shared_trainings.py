"""Work through a list of trainings together with every other process that has the same to do, and lose none of it."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses import Loss
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.samplers.fixed import FixedListSampler, read_verdicts
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.storage.attributes import Attributes
from glo_lightning.search.storage.study import was_given_up_earlier
from glo_lightning.search.trial_worker import TrialWorker
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status

KEY = "training key"
"""User attribute of a trial: what its training is found by."""

TOTAL = "trainings"
"""User attribute of a list's study: how many trainings it has."""

REUSED = "reused from"
"""User attribute of a trial that told what another list had trained: that list's study."""


class SharedTrainings:
    """Evaluates runs in a study of their own, which everybody with the same list joins.

    The study's name holds a digest of the list, so that processes with the same list meet in it, and what was stopped
    goes on where it stopped. Every training has a key, too: one that another list of the same purpose has finished is
    told without training, so that more seeds, more losses or more workers cost only what is new.

    A crash says nothing about a loss, so it has no say in what the list is for: trainings that crash every time end
    the run with an error, and the next run tries them again, in a list of their own.

    Args:
        evaluator: trains this process's share.
        lead: the study of the search or the comparison, in the same storage; its lists are kept beside it, as
            ``NAME/PURPOSE/DIGEST``.
        purpose: what the lists are for, in a word.
        basis: whatever else decides the metrics, as JSON values.
        monitor: the metric.
        attempts: times a crashed training is tried again.
        batch: runs claimed at once.
        announce: told how many trainings of the list are done, whenever this process has done some.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        lead: optuna.Study,
        purpose: str,
        basis: Mapping[str, Any],
        monitor: Monitor,
        attempts: int = 1,
        batch: int = 1,
        announce: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.evaluator = evaluator
        self.lead = lead
        self.purpose = purpose
        self.basis = basis
        self.monitor = monitor
        self.attempts = attempts
        self.batch = batch
        self.announce = announce

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train this process's share, wait for the others, and return all evaluations in the order given.

        Raises:
            SettingsError: if a run wants to be reported, which only one process could do.
            StudyError: if a run crashed every time; what has finished is kept.
        """
        if any(run.report is not None for run in runs):
            raise SettingsError("runs without a report", "one with", "Evaluate it with this worker's own evaluator.")
        keys = [self._key(run) for run in runs]
        evaluations = self._work_through(dict(zip(keys, runs, strict=True)))
        return [evaluations[key] for key in keys]

    def _work_through(self, runs: Mapping[str, Run], again: int = 0) -> dict[str, Evaluation]:
        """Return the evaluations of runs by their keys; ``again`` counts the lists of crashes before this one."""
        sampler = FixedListSampler(len(runs), max_retry=self.attempts)
        study = self._open(runs, sampler, again)
        finished = {trial.user_attrs[KEY]: (name, trial) for name, trial in self._finished_beside(study)}
        _ListWorker(list(runs.items()), finished, study, sampler, self).run()
        verdicts = read_verdicts(study)
        evaluations = {
            key: _read_evaluation(study.study_name, trial, trial.value)
            for place, key in enumerate(runs)
            if (trial := verdicts[place]).value is not None
        }
        crashed = [key for key in runs if key not in evaluations]
        if crashed and not was_given_up_earlier(study, self.lead):
            last = verdicts[list(runs).index(crashed[-1])]
            raise StudyError(
                "trainings that run to their end",
                f"{len(crashed)} of {len(runs)} that crashed, the last: {_reason(last)}",
                "Mend the cause; what has finished is kept, and the same command trains the rest.",
            )
        return evaluations | (self._work_through({key: runs[key] for key in crashed}, again + 1) if crashed else {})

    def _open(self, runs: Mapping[str, Run], sampler: FixedListSampler, again: int) -> optuna.Study:
        study = optuna.create_study(
            study_name=f"{self._prefix}{_digest([list(runs), again])[:12]}",
            storage=storage_of(self.lead),
            sampler=sampler,
            pruner=optuna.pruners.NopPruner(),
            direction="maximize" if self.monitor.mode == "max" else "minimize",
            load_if_exists=True,
        )
        study.set_metric_names([self.monitor.name])
        study.set_user_attr(TOTAL, len(runs))
        return study

    @property
    def _prefix(self) -> str:
        return f"{self.lead.study_name}/{self.purpose}/"

    def _finished_beside(self, study: optuna.Study) -> Iterator[tuple[str, FrozenTrial]]:
        """Yield what the other lists of this purpose have finished, with the names of their studies."""
        storage = storage_of(study)
        for name in optuna.get_all_study_names(storage):
            if name.startswith(self._prefix) and name != study.study_name:
                other = optuna.load_study(study_name=name, storage=storage)
                for trial in other.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                    yield trial.user_attrs.get(REUSED, name), trial

    def _key(self, run: Run) -> str:
        loss = None if run.loss is None else run.loss.to_dict()
        own = {"loss": loss, "seed": run.seed, "hyperparameters": dict(run.hyperparameters)}
        return _digest({**own, "basis": dict(self.basis), "monitor": asdict(self.monitor)})[:16]


class _ListWorker(TrialWorker):
    """Trains places of the list, and tells of those that another list has trained."""

    def __init__(
        self,
        runs: Sequence[tuple[str, Run]],
        finished: Mapping[str, tuple[str, FrozenTrial]],
        study: optuna.Study,
        sampler: GenerationalSampler[int],
        shared: SharedTrainings,
    ) -> None:
        super().__init__(study, sampler, shared.evaluator, shared.monitor, shared.batch, self._announce_progress)
        self.runs = runs
        self.finished = finished
        self.shared = shared
        self._formula = functools.cache(_formula)  # one loss trains with many seeds

    def prepare(self, trial: Trial) -> Run | None:
        key, run = self.runs[self.sampler.slot_of(trial).index]
        self.note(trial, **{KEY: key, "formula": self._formula(run.loss), "seed": run.seed})
        if run.hyperparameters:
            self.note(trial, hyperparameters=dict(run.hyperparameters))
        if key not in self.finished:
            return run
        name, earlier = self.finished[key]
        assert earlier.value is not None
        self.note(trial, **{REUSED: name})
        self.tell(trial, _read_evaluation(name, earlier, earlier.value))
        return None

    def attributes(self, evaluation: Evaluation) -> dict[str, Any]:
        return {"curve": list(evaluation.curve), **super().attributes(evaluation)}

    def _announce_progress(self) -> None:
        self.shared.announce(len(read_verdicts(self.study)))


def _formula(loss: Loss | None) -> str:
    return "the model's own loss" if loss is None else loss.formula("unicode")


def _read_evaluation(study_name: str, trial: FrozenTrial, metric: float) -> Evaluation:
    attributes = Attributes.of_trial(study_name, trial)
    training = attributes.inside("training")
    return Evaluation(
        metric,
        Status(training.text("status", out_of=[*Status])),
        training.text("reason"),
        training.number("seconds"),
        training.count("seed"),
        training.count("epoch", least=-1),
        attributes.numbers("metrics"),
        attributes.curve("curve"),
    )


def _reason(trial: FrozenTrial) -> str:
    return trial.user_attrs.get("training", {}).get("reason") or "its workers died"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
