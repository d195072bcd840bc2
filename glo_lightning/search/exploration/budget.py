"""Decide how many generations of a search run within a time, once for all who work on it."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime

import optuna
from optuna.trial import TrialState

from glo_lightning.errors import SettingsError
from glo_lightning.search.exploration.context import ExplorationContext
from glo_lightning.search.exploration.forecast import Forecast
from glo_lightning.search.exploration.pace import Pace
from glo_lightning.search.records.candidates import count_trained, read_candidates
from glo_lightning.search.records.plan import Plan, read_plan
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.storage.decision import decide_once

PAUSE = 30.0
"""Seconds without a training after which nobody was at work: as long as it takes until a worker is presumed dead."""


class TimeBudget:
    """The generations that fit into the time of a search.

    Trainings are measured before the first generation. After it, it is decided how many will fit. When half of those
    that are left have run, and so on, that is looked at again, and lowered where it was too many. What was decided is
    kept in the study, so that all workers, and whoever goes on with the search, have as many. Time in which nobody was
    at work does not count.

    Args:
        context: of the search.
        study: of the search, opened.

    Raises:
        SettingsError: if not even one generation and its verdict fit; the study is deleted.
    """

    def __init__(self, context: ExplorationContext, study: optuna.Study) -> None:
        self._settings = context.settings
        self._length = context.relative_length
        self._study = study
        self._pace = self._measure(context)
        if read_plan(study, self._settings) is None:
            Plan.of(self._settings, self._first(self._pace).fitting()).keep(study)

    @classmethod
    def of(cls, context: ExplorationContext, study: optuna.Study) -> "TimeBudget | None":
        """Return that of a search; None if its settings name no time."""
        return None if context.settings.time_budget is None else cls(context, study)

    def stops(self) -> Iterator[int]:
        """Yield numbers of generations, each to be run before the next is asked for."""
        stop, planned = 1, 0
        while True:
            yield stop
            fitting = int(self._decide(str(stop), lambda: str(self._forecast().fitting())))
            planned = min(planned or fitting, fitting)
            if planned <= stop:
                Plan.of(self._settings, stop, final=True).keep(self._study)
                return
            Plan.of(self._settings, planned).keep(self._study)
            stop += math.ceil((planned - stop) / 2)

    def _measure(self, context: ExplorationContext) -> Pace:
        def measure() -> str:
            pace = Pace.measure(context.evaluators)
            pace = replace(pace, spent=time.time() - context.began)
            self._first(pace).require_one()
            return json.dumps(asdict(pace))

        try:
            return Pace(**json.loads(self._decide("pace", measure)))
        except SettingsError:
            _forget(self._study)
            raise

    def _decide(self, question: str, decide: Callable[[], str]) -> str:
        """Decide something once for every time that the search is given."""
        limit = f" at most {self._settings.generations}" if self._settings.generations else ""
        return decide_once(self._study, f"budget/{self._settings.budget_seconds:g} s{limit}/{question}", decide)

    def _first(self, pace: Pace) -> Forecast:
        return Forecast.at_first(self._settings, self._length, pace)

    def _forecast(self) -> Forecast:
        """Return the forecast from the candidates there are; the later half tells how many more will be trained."""
        candidates = read_candidates(self._study)
        generations = 1 + max((candidate.generation for candidate in candidates), default=0)
        later = [candidate for candidate in candidates if candidate.generation >= generations // 2]
        trained, size = count_trained(candidates), self._settings.candidates_per_generation
        pace = self._pace.after(
            seconds=working_time(self._study),
            training=sum(candidate.seconds for candidate in candidates) / self._settings.workers,
            trained=trained,
            rivals=size / self._settings.rivals_per_generation,
        )
        next_trained = count_trained(later) / (generations - generations // 2) or size
        return Forecast(self._settings, self._length, pace, generations, trained, next_trained)


def working_time(study: optuna.Study) -> float:
    """Return the seconds in which somebody was at work on a study's candidates."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    spans = [(trial.datetime_start, trial.datetime_complete) for trial in trials]
    seconds, until = 0.0, datetime.min
    for begin, end in sorted((begin, end) for begin, end in spans if begin is not None and end is not None):
        paused = (begin - until).total_seconds() > PAUSE
        seconds += max(0.0, (end - (begin if paused else until)).total_seconds())
        until = max(until, end)
    return seconds


def _forget(study: optuna.Study) -> None:
    """Delete a study of which nothing has begun, and what was decided for it, so that its name is free again."""
    if study.get_trials(deepcopy=False):
        return
    storage = storage_of(study)
    for name in optuna.get_all_study_names(storage):
        if name.partition("/")[0] == study.study_name:
            with suppress(KeyError):  # another worker, refused as well, was quicker
                optuna.delete_study(study_name=name, storage=storage)
