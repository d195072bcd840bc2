"""Optuna's private names: the storage behind a study, the ids it goes by, attributes of samplers.

Optuna shows people studies and trials. A sampler that serves many workers also needs what lies behind them, and so does
whoever adds to Optuna's dashboard. Only the storages that take whole populations, in search/storage, have private names
of their own. tests/test_private_names.py holds all of these files to the versions they were checked with.
"""

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

__all__ = [
    "FrozenStudy",
    "Told",
    "TrialStore",
    "completed",
    "finish",
    "freeze",
    "id_of_study",
    "id_of_trial",
    "is_enqueued",
    "last_report",
    "open_trial",
    "running_trial",
    "storage_of",
]


def storage_of(study: Study) -> BaseStorage:
    """Return the storage that a study lives in, to open other studies of it."""
    return study._storage


def id_of_study(study: Study | FrozenStudy) -> int:
    """Return the number by which storage and dashboard know a study."""
    return study._study_id


def id_of_trial(trial: Trial | FrozenTrial) -> int:
    """Return the number by which storage and dashboard know a trial; its own number counts within its study."""
    return trial._trial_id


def open_trial(study: Study, frozen: FrozenTrial) -> Trial:
    """Return a running trial to suggest, report and tell with, as it was created: it is not read again."""
    return _ClaimedTrial(study, frozen)


class _ClaimedTrial(Trial):
    """A trial that was claimed whole, so that neither the storage nor the sampler is asked about it."""

    def __init__(self, study: Study, frozen: FrozenTrial) -> None:
        self.study = study
        self.storage = study._storage
        self._trial_id = frozen._trial_id
        self._cached_frozen_trial = frozen
        self.relative_search_space = None
        self._relative_params = None
        self._fixed_params = {}


def last_report(trial: Trial) -> float | None:
    """Return what a trial reported last; None if it did not."""
    frozen = trial._cached_frozen_trial
    return None if frozen.last_step is None else frozen.intermediate_values[frozen.last_step]


def freeze(trial: Trial | FrozenTrial) -> FrozenTrial:
    """Return all that is known of a trial."""
    return trial if isinstance(trial, FrozenTrial) else trial.storage.get_trial(trial._trial_id)


def is_enqueued(trial: FrozenTrial) -> bool:
    """Whether a user asked for this trial, with ``study.enqueue_trial``."""
    return "fixed_params" in trial.system_attrs


@dataclass(frozen=True)
class Told:
    """How a trial ended, and what is kept with it.

    Args:
        trial_id: whose.
        state: a finished one.
        value: of the objective, if there is one.
        user_attrs: attributes that people see.
        constraints: how much it violates what, where above 0.
    """

    trial_id: int
    state: TrialState
    value: float | None = None
    user_attrs: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, float] = field(default_factory=dict)

    @property
    def system_attrs(self) -> dict[str, Any]:
        """Attributes that people do not see."""
        return {f"{_CONSTRAINTS_KEY}:{name}": amount for name, amount in self.constraints.items()}


class TrialStore:
    """The trials of one study as its storage keeps them: by id, with attributes that people do not see.

    Args:
        study: whose trials.

    Attributes:
        takes_populations: whether its storage creates and ends many trials at once, as those of this package do.
    """

    def __init__(self, study: Study) -> None:
        self._storage: Any = study._storage
        self._study_id = study._study_id
        self.takes_populations = hasattr(self._storage, "create_new_trials")

    def read(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the trials in order of number, not to be changed."""
        trials: list[FrozenTrial] = self._storage.get_all_trials(self._study_id, deepcopy=False, states=states)
        return trials

    def frontier(self) -> dict[int, TrialState] | None:
        """Return states by number of the trials not known to have ended, if that is cheaper than to read them."""
        if not hasattr(self._storage, "frontier"):
            return None
        frontier: dict[int, TrialState] = self._storage.frontier(self._study_id)
        return frontier

    def create(self, templates: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Create trials whole, which Optuna's ``ask`` could not, and return them."""
        if self.takes_populations:
            created: list[FrozenTrial] = self._storage.create_new_trials(self._study_id, templates)
            return created
        ids = [self._storage.create_new_trial(self._study_id, template) for template in templates]
        return [self._storage.get_trial(trial_id) for trial_id in ids]

    def create_if_nobody_else_did(self, templates: Sequence[FrozenTrial], count: int) -> list[FrozenTrial]:
        """Create trials if there are still as many as when they were read; for storages that take populations.

        Args:
            templates: one or more.
            count: of the trials that were read.

        Returns:
            The trials; none if others have created some in the meantime.
        """
        created: list[FrozenTrial] = self._storage.create_new_trials(self._study_id, templates, count)
        return created

    def fill(self, trial: FrozenTrial, template: FrozenTrial) -> FrozenTrial:
        """Give a running trial parameters and attributes of a template, and return it; people's attributes come first.

        Raises:
            UpdateFinishedTrialError: if the trial has ended.
        """
        for name, distribution in template.distributions.items():
            value = distribution.to_internal_repr(template.params[name])
            self._storage.set_trial_param(trial._trial_id, name, value, distribution)
        for name, value in template.user_attrs.items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)
        for name, value in template.system_attrs.items():
            self._storage.set_trial_system_attr(trial._trial_id, name, value)
        system_attrs = {**trial.system_attrs, **template.system_attrs}
        return completed(template, trial._trial_id, trial.number, trial.datetime_start, system_attrs)

    def set_user_attr(self, trial_id: int, name: str, value: Any) -> None:
        """Set an attribute that people see.

        Raises:
            UpdateFinishedTrialError: if the trial has ended.
        """
        self._storage.set_trial_user_attr(trial_id, name, value)

    def set_system_attr(self, trial_id: int, name: str, value: Any) -> None:
        """Set an attribute that people do not see.

        Raises:
            UpdateFinishedTrialError: if the trial has ended.
        """
        self._storage.set_trial_system_attr(trial_id, name, value)

    def tell(self, all_told: Sequence[Told]) -> None:
        """End trials, as many as still run: the verdict of one that has ended stands."""
        if self.takes_populations:
            self._storage.finish_trials(all_told)
            return
        for told in all_told:
            with suppress(UpdateFinishedTrialError):
                finish(self._storage, told)

    def fail(self, trial_id: int) -> None:
        """End a trial without a value.

        Raises:
            UpdateFinishedTrialError: if it has ended already.
        """
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def study_attr(self, name: str) -> Any:
        """Return an attribute of the study that people do not see; None if it is not set."""
        return self._storage.get_study_system_attrs(self._study_id).get(name)

    def set_study_attr(self, name: str, value: Any) -> None:
        """Set an attribute of the study that people do not see."""
        self._storage.set_study_system_attr(self._study_id, name, value)


def finish(storage: BaseStorage, told: Told) -> None:
    """End one trial, one thing after another.

    Raises:
        UpdateFinishedTrialError: if it has ended already.
    """
    for name, value in told.user_attrs.items():
        storage.set_trial_user_attr(told.trial_id, name, value)
    for name, value in told.system_attrs.items():
        storage.set_trial_system_attr(told.trial_id, name, value)
    storage.set_trial_state_values(told.trial_id, told.state, None if told.value is None else [told.value])


def running_trial(
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    user_attrs: dict[str, Any],
    system_attrs: dict[str, Any],
) -> FrozenTrial:
    """Return a template of a running trial."""
    return create_trial(
        state=TrialState.RUNNING,
        params=params,
        distributions=distributions,
        user_attrs=user_attrs,
        system_attrs=system_attrs,
    )


def completed(
    template: FrozenTrial, trial_id: int, number: int, start: datetime | None, system_attrs: dict[str, Any]
) -> FrozenTrial:
    """Return a trial as a template describes it, with dicts of its own."""
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=start,
        datetime_complete=None,
        params=dict(template.params),
        distributions=dict(template.distributions),
        user_attrs=dict(template.user_attrs),
        system_attrs=system_attrs,
        intermediate_values={},
        trial_id=trial_id,
    )
