"""Work through a list of trainings together with every other worker, and lose none of it."""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.exploration.worker import Worker
from glo_lightning.search.samplers import GenerationalSampler, find_slot
from glo_lightning.search.samplers.fixed import FixedListSampler
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.storage.study import RUNS
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status

GIVEN_UP = "given up in run"
"""User attribute of a study beside a search: the run of the search in which its crashed work was given up."""


class SharedEvaluator:
    """Evaluates runs in a study of their own, which all workers of a search join.

    The study's name holds a digest of the list, so that workers with the same list meet in it, and a list that was
    worked through before costs nothing: a search that is killed while its finalists train goes on where it stopped.
    A crash says nothing about a loss, so it has no say in what the list is for: trainings that crash every time end
    the search with an error, and the next run of the search tries them again, in a list of their own.

    Args:
        evaluator: trains this worker's share.
        search: the study of the search; the list is kept beside it, as ``NAME/PURPOSE/DIGEST``.
        purpose: what the list is for, in a word.
        basis: whatever else decides the scores, as JSON values.
        monitor: the metric.
        attempts: times a crashed training is tried again.
        batch: runs claimed at once.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        search: optuna.Study,
        purpose: str,
        basis: Mapping[str, Any],
        monitor: Monitor,
        attempts: int = 1,
        batch: int = 1,
    ) -> None:
        self.evaluator = evaluator
        self.search = search
        self.purpose = purpose
        self.basis = basis
        self.monitor = monitor
        self.attempts = attempts
        self.batch = batch

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train this worker's share, wait for the others, and return all evaluations in the order given.

        Raises:
            SettingsError: if a run wants to be reported, which only one worker could do.
            StudyError: if a run crashed every time; what has finished is kept.
        """
        if any(run.report is not None for run in runs):
            raise SettingsError("runs without a report", "one with", "Evaluate it with this worker's own evaluator.")
        sampler = FixedListSampler(len(runs), max_retry=self.attempts)
        study = optuna.create_study(
            study_name=f"{self.search.study_name}/{self.purpose}/{self._digest(runs)}",
            storage=storage_of(self.search),
            sampler=sampler,
            pruner=optuna.pruners.NopPruner(),
            direction="maximize" if self.monitor.mode == "max" else "minimize",
            load_if_exists=True,
        )
        study.set_metric_names([self.monitor.name])
        _ListWorker(runs, study, sampler, self.evaluator, self.monitor, self.batch).run()
        verdicts = _read_verdicts(study)
        evaluations = {
            place: self._evaluation(trial.value, trial.user_attrs["training"])
            for place, trial in verdicts.items()
            if trial.value is not None
        }
        crashed = [place for place in range(len(runs)) if place not in evaluations]
        if crashed and not _was_given_up_earlier(study, self.search):
            raise StudyError(
                "trainings that run to their end",
                f"{len(crashed)} of {len(runs)} that crashed, the last: {_reason(verdicts[crashed[-1]])}",
                "Mend the cause; what has finished is kept, and the same command trains the rest.",
            )
        if crashed:
            basis = {**self.basis, "again": self.basis.get("again", 0) + 1}
            again = SharedEvaluator(
                self.evaluator, self.search, self.purpose, basis, self.monitor, self.attempts, self.batch
            )
            evaluations |= zip(crashed, again.evaluate([runs[place] for place in crashed]), strict=True)
        return [evaluations[place] for place in range(len(runs))]

    def _digest(self, runs: Sequence[Run]) -> str:
        text = json.dumps([dict(self.basis), [_order(run) for run in runs]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _evaluation(self, metric: float, training: Mapping[str, Any]) -> Evaluation:
        return Evaluation(
            metric,
            Status(training["status"]),
            training["reason"],
            training["seconds"],
            training["seed"],
            training["epoch"],
        )


def _was_given_up_earlier(study: optuna.Study, search: optuna.Study) -> bool:
    """Note the run in which a list ended with crashes: a worker that is started again belongs to the same."""
    run = search.user_attrs.get(RUNS, 0)
    given_up = study.user_attrs.get(GIVEN_UP)
    if given_up is None:
        study.set_user_attr(GIVEN_UP, run)
    return given_up is not None and given_up < run


def _order(run: Run) -> dict[str, Any]:
    order = {"loss": run.loss.to_dict(), "seed": run.seed}
    return {**order, "hyperparameters": dict(run.hyperparameters)} if run.hyperparameters else order


def _reason(trial: FrozenTrial) -> str:
    return trial.user_attrs.get("training", {}).get("reason") or "its workers died"


def decide_once(search: optuna.Study, question: str, decide: Callable[[], str]) -> str:
    """Have one worker decide something that all must agree on; the others wait for its answer.

    Args:
        search: the study of the search; the answer is kept beside it, as ``NAME/QUESTION``.
        question: what is decided, in a word.
        decide: returns the answer; called by one worker, once in the life of a study. What it raises is raised here,
            and the next worker, or the next run, decides.

    Raises:
        StudyError: if workers died over it every time; the next run of the search decides.
    """
    name = f"{search.study_name}/{question}"
    for attempt in itertools.count(1):
        sampler = FixedListSampler(1)
        study = optuna.create_study(
            study_name=name if attempt == 1 else f"{name}/{attempt}",
            storage=storage_of(search),
            sampler=sampler,
            load_if_exists=True,
        )
        answer = _ask(study, sampler, decide)
        if answer is not None:
            return answer
        if not _was_given_up_earlier(study, search):
            break
    raise StudyError(
        f"a decision on {question}",
        f"none: {_reason(_read_verdicts(study)[0])}",
        "Look for a lack of memory, or for what killed them; the same command decides again.",
    )


def _ask(study: optuna.Study, sampler: FixedListSampler, decide: Callable[[], str]) -> str | None:
    """Decide, or wait for whoever does; None if nobody lived to tell."""
    while trials := sampler.claim(study):
        try:
            with suppress(UpdateFinishedTrialError):  # taken for dead: another decides
                trials[0].set_user_attr("answer", decide())
            study.tell(trials[0], 0.0, skip_if_finished=True)
        except BaseException as error:
            sampler.release(study, trials, reason=type(error).__name__)
            raise
    answer: str | None = _read_verdicts(study)[0].user_attrs.get("answer")
    return answer


def _read_verdicts(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Return the trial that decides each place: the first that completed, or else the last that failed."""
    verdicts: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        slot = find_slot(trial)
        if slot is None or not trial.state.is_finished():
            continue
        if slot.index not in verdicts or verdicts[slot.index].state == TrialState.FAIL:
            verdicts[slot.index] = trial
    return verdicts


class _ListWorker(Worker):
    """Trains places of the list."""

    def __init__(
        self,
        runs: Sequence[Run],
        study: optuna.Study,
        sampler: GenerationalSampler[int],
        evaluator: Evaluator,
        monitor: Monitor,
        batch: int,
    ) -> None:
        super().__init__(study, sampler, evaluator, monitor, batch)
        self.runs = runs

    def prepare(self, trial: Trial) -> Run:
        run = self.runs[self.sampler.slot_of(trial).index]
        trial.set_user_attr("formula", run.loss.formula("unicode"))
        trial.set_user_attr("seed", run.seed)
        if run.hyperparameters:
            trial.set_user_attr("hyperparameters", dict(run.hyperparameters))
        return run
