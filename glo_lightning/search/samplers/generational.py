"""Samplers that search generation by generation, with any number of workers and the same result."""

import math
import secrets
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Generic, TypeVar

import optuna
from numpy.random import SeedSequence
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.search.engines import Engine, Slot
from glo_lightning.search.samplers.claims import (
    FINISHED,
    Claims,
    Description,
    SearchFinished,
    never_mind,
)
from glo_lightning.search.samplers.history import History, find_slot, is_ticket
from glo_lightning.search.samplers.optuna_adapter import (
    Told,
    TrialStore,
    freeze,
    id_of_study,
    id_of_trial,
    is_enqueued,
    open_trial,
    storage_of,
)

C = TypeVar("C")

SETTINGS = "glo:search"
"""Study attribute: the settings that the search was begun with."""


@dataclass(frozen=True)
class SearchState:
    """Where a search stands.

    Args:
        generation: the generation at work, which is also the number of complete generations.
        open: candidates of it that nobody works on.
        running: candidates of it at work.
        population_size: candidates in a generation; 0 before the search has begun.
        finished: whether all generations that the sampler was asked for are complete.
        engine: what the engine says of itself, such as CMA-ES's mean and sigma.
    """

    generation: int
    open: int
    running: int
    population_size: int
    finished: bool
    engine: dict[str, Any]


class GenerationalSampler(BaseSampler, Generic[C]):
    """Optuna sampler that searches generation by generation: it runs an engine over a study.

    Every candidate has a slot, (generation, index). The engine's state in generation g is a fold over the verdicts on
    the generations before, all of which are in the study, so the sampler keeps nothing of its own: kill any worker,
    start others anywhere, and the same candidates come out. A generation advances when each of its candidates has a
    verdict: a value, a prune, or more failures than ``max_retry``. A candidate that was given
    back has not failed. A worker that finds nothing open waits.

    The study holds JSON only: the settings, and in each trial its slot, which people see as the user attributes
    ``generation`` and ``index``. A trial that is told a value although its training diverged ranks behind those whose
    values are their own if it has the user attribute ``diverged``.

    Args:
        search_space: parameters that the trials get; empty if candidates are not vectors.
        settings: what the search was asked for; JSON values, ``None`` where the study or the default may decide.
        defaults: values for the settings that are ``None`` in a new study.
        seed: any integer >= 0; by default drawn once per study.
        max_retry: times a candidate is issued again after it failed, before it ranks worst. Released trials do not
            count, and a few dead workers do not; Ctrl-C does within ``study.optimize``, which tells it as a failure.
        max_generations: generations to run; ``None`` for no end. May be raised later.
        grace_period: seconds without a heartbeat after which a worker is presumed dead; the same for all workers.
    """

    def __init__(
        self,
        search_space: Mapping[str, FloatDistribution],
        settings: Mapping[str, Any],
        defaults: Mapping[str, Any],
        *,
        seed: int | None = None,
        max_retry: int = 1,
        max_generations: int | None = None,
        grace_period: float = 30.0,
    ) -> None:
        self.search_space = dict(search_space)
        self._settings = {
            **settings,
            "format": 2,
            "seed": whole("seed", seed, 0),
            "max_retry": whole("max_retry", max_retry, 0),
        }
        self._defaults = {**defaults, "seed": secrets.randbits(32), "max_retry": 1}
        self.max_generations = whole("max_generations", max_generations, 0)
        self._grace_period = positive("grace_period", grace_period)
        self._studies: dict[tuple[int, int], Claims[C]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Claims are this process's own: a copy, here or in another process, makes its own from the study.
        return {**self.__dict__, "_studies": {}}

    @abstractmethod
    def create_engine(self, settings: Mapping[str, Any]) -> Engine[C]:
        """Return the engine at generation 0, for the settings that the study agreed on."""

    @abstractmethod
    def encode(self, candidate: C) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a candidate as parameters of the search space and further user attributes."""

    @abstractmethod
    def decode(self, trial: FrozenTrial) -> C | None:
        """Read a candidate back from a trial, the same for every reader; ``None`` if the trial does not hold one."""

    def claim(self, study: optuna.Study, count: int = 1, on_wait: Callable[[], None] = never_mind) -> list[Trial]:
        """Claim up to ``count`` open candidates of the current generation.

        Waits until at least one is open, and never for the others. Evaluate the trials and tell the study; what cannot
        be evaluated, :meth:`release`.

        Args:
            study: a study with this sampler.
            count: candidates wanted, 1 or more.
            on_wait: called between two looks at the study while waiting; may raise to give up.

        Returns:
            Running trials whose parameters are set; none when the search is finished.

        Raises:
            StudyError: if the study belongs to another search, or this thread would wait for its own trials.
        """
        whole("count", count, 1)
        _require_one_objective(study)
        return [open_trial(study, trial) for trial in self._claims(study).claim(count, on_wait)]

    def tell(self, study: optuna.Study, all_told: Sequence[Told]) -> None:
        """Tell how claimed trials ended, all at once where the storage can; :meth:`Study.tell` does it one by one.

        Args:
            study: the trials' study.
            all_told: the endings; a trial that has ended already, its worker taken for dead, stays as it is.
        """
        self._claims(study).tell(all_told)

    def release(self, study: optuna.Study, trials: Trial | Sequence[Trial], reason: str = "released") -> None:
        """Give claimed candidates back, to be issued again without blame.

        Args:
            study: the trials' study.
            trials: trials that will not be told; finished ones are left as they are.
            reason: kept with the trials.
        """
        released = [trials] if isinstance(trials, Trial) else trials
        self._claims(study).release([id_of_trial(trial) for trial in released], reason)

    def state(self, study: optuna.Study) -> SearchState:
        """Return where the search in a study stands."""
        claims = self._claims(study)
        snapshot, history = claims.look()
        finished = claims.is_finished(snapshot.generation)
        if history is None:
            return SearchState(0, 0, 0, 0, finished, {})
        engine = history.engine
        return SearchState(
            snapshot.generation,
            len(snapshot.open),
            len(snapshot.running),
            engine.population_size,
            finished,
            engine.state(),
        )

    def generation(self, study: optuna.Study) -> int:
        """Return the number of complete generations."""
        return self.state(study).generation

    def slot_of(self, trial: Trial | FrozenTrial) -> Slot:
        """Return a trial's (generation, index).

        Raises:
            StudyError: if the trial evaluates no candidate of a generational search.
        """
        slot = find_slot(freeze(trial))
        if slot is None:
            raise StudyError(
                "a trial that a generational sampler proposed",
                f"trial {trial.number} without a slot",
                "Leave out enqueued trials and trials of other samplers.",
            )
        return slot

    # Optuna's side

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the search space; nothing for trials that users enqueued."""
        return {} if is_enqueued(trial) else dict(self.search_space)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Claim a slot for a trial that was asked for, waiting for one if need be."""
        _require_one_objective(study)
        if is_ticket(trial):
            try:
                self._take(study, trial)
            except SearchFinished:
                try:
                    study.stop()  # ends study.optimize; this trial is pruned when it asks for parameters
                except RuntimeError:  # outside of study.optimize
                    self._claims(study).release([id_of_trial(trial)], "search finished")
                    raise SearchFinished(FINISHED) from None

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of the trial's candidate."""
        _require_one_objective(study)
        if not search_space:
            return {}
        candidate = self._claims(study).candidate(id_of_trial(trial))
        if candidate is None:
            candidate = self._take(study, trial)
        parameters, _ = self.encode(candidate)
        return {name: value for name, value in parameters.items() if name in search_space}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter that is not in the search space at random: the same for the same candidate, whoever asks."""
        _require_one_objective(study)
        place = find_slot(trial) or (trial.number,)
        words = SeedSequence([self._seed(study), *place, *param_name.encode()]).generate_state(1)
        return RandomSampler(int(words[0])).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let go of a trial that is being told."""
        self._claims(study).forget(id_of_trial(trial))

    def _claims(self, study: optuna.Study) -> Claims[C]:
        key = (id(storage_of(study)), id_of_study(study))
        if key not in self._studies:
            claims = Claims(
                TrialStore(study),
                lambda in_turn: self._agree(study, in_turn),
                self._describe,
                lambda: self.max_generations,
                self._grace_period,
            )
            self._studies.setdefault(key, claims)  # two threads may come here, one wins
        return self._studies[key]

    def _agree(self, study: optuna.Study, in_turn: bool) -> History[C] | None:
        """Compare settings with the study's; store them if there are none and no other worker can be doing so."""
        store = TrialStore(study)
        agreed = store.study_attr(SETTINGS)
        if agreed is None:
            if not in_turn:
                return None
            asked = {name: value for name, value in self._settings.items() if value is not None}
            agreed = {**self._defaults, **asked}
            store.set_study_attr(SETTINGS, agreed)
        for name, value in self._settings.items():
            if value is not None and agreed.get(name) != value:
                raise StudyError(
                    f"the study to be continued with its own {name}, {agreed.get(name)!r}",
                    repr(value),
                    "Use the study's value, or another study name to begin a new search.",
                )
        return History(self.create_engine(agreed), self.decode, agreed["max_retry"], study.direction)

    def _seed(self, study: optuna.Study) -> int:
        """Return the seed that the study agreed on, or that it would if this process began the search."""
        agreed = TrialStore(study).study_attr(SETTINGS) or self._settings
        seed: int = self._defaults["seed"] if agreed["seed"] is None else agreed["seed"]
        return seed

    def _take(self, study: optuna.Study, trial: FrozenTrial) -> C:
        """Claim a slot for a trial that Optuna created."""
        claims = self._claims(study)
        claims.take(trial, 1, never_mind, whole=False)
        candidate = claims.candidate(id_of_trial(trial))
        assert candidate is not None
        return candidate

    def _describe(self, slot: Slot, candidate: C) -> Description:
        parameters, attributes = self.encode(candidate)
        return parameters, dict(self.search_space), {**slot._asdict(), **attributes}


def _require_one_objective(study: optuna.Study) -> None:
    if len(study.directions) > 1:
        raise SettingsError(
            "a study with one objective", f"{len(study.directions)}", "Combine them, or use Optuna's NSGAIISampler."
        )


def whole(name: str, value: int | None, least: int) -> int | None:
    """Check a whole number; ``None`` passes.

    Raises:
        SettingsError: if it is not a whole number, or below the least.
    """
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise SettingsError(f"{name}: a whole number of {least} or more", repr(value), "Leave it out for the default.")
    return int(value)


def positive(name: str, value: float) -> float:
    """Check a finite number above 0.

    Raises:
        SettingsError: if it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise SettingsError(f"{name}: a finite number above 0", repr(value), "Leave it out for the default.")
    return float(value)
