"""Optuna's private names, all of them here: the storage behind a study, the ids it goes by, attributes of samplers.

Optuna shows people studies and trials. A sampler that serves many workers also needs what lies behind them, and so does
whoever adds to Optuna's dashboard. tests/test_private_names.py holds this file to the versions it was checked with.
"""

from collections.abc import Container
from typing import Any

from optuna import Study
from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

__all__ = [
    "FrozenStudy",
    "TrialStore",
    "freeze",
    "id_of_study",
    "id_of_trial",
    "is_enqueued",
    "open_trial",
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


def open_trial(study: Study, trial_id: int) -> Trial:
    """Return a running trial to suggest, report and tell with."""
    return Trial(study, trial_id)


def freeze(trial: Trial | FrozenTrial) -> FrozenTrial:
    """Return all that is known of a trial."""
    return trial if isinstance(trial, FrozenTrial) else trial.storage.get_trial(trial._trial_id)


def is_enqueued(trial: FrozenTrial) -> bool:
    """Whether a user asked for this trial, with ``study.enqueue_trial``."""
    return "fixed_params" in trial.system_attrs


class TrialStore:
    """The trials of one study as its storage keeps them: by id, with attributes that people do not see.

    Args:
        study: whose trials.
    """

    def __init__(self, study: Study) -> None:
        self._storage = study._storage
        self._study_id = study._study_id

    def read(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the trials in order of number, not to be changed."""
        return self._storage.get_all_trials(self._study_id, deepcopy=False, states=states)

    def create(self, user_attrs: dict[str, Any], system_attrs: dict[str, Any]) -> int:
        """Create a running trial and return its id; Optuna's ``ask`` could not give it attributes from the start."""
        trial = create_trial(state=TrialState.RUNNING, user_attrs=user_attrs, system_attrs=system_attrs)
        return self._storage.create_new_trial(self._study_id, trial)

    def number(self, trial_id: int) -> int:
        """Return a trial's number in its study, which is the same in every copy of it."""
        return self._storage.get_trial_number_from_id(trial_id)

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
