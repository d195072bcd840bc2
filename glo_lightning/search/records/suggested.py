"""Losses in studies of somebody's own, as ``suggest_loss`` left them there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.losses import Loss
from glo_lightning.search.storage.attributes import Attributes

STORED, CLASSES, PRUNED = "stored", "classes", "pruned"
"""User attributes of a trial, behind the prefix of its parameters."""


def note_suggestion(trial: BaseTrial, prefix: str, loss: Loss, num_classes: int) -> None:
    """Leave a suggested loss in its trial.

    Args:
        trial: which tries it.
        prefix: of its parameters.
        loss: as suggested.
        num_classes: of its task; 1 where numbers are predicted.
    """
    trial.set_user_attr(prefix + STORED, loss.to_dict())
    trial.set_user_attr(prefix + CLASSES, num_classes)


@dataclass(frozen=True)
class Suggestion:
    """A loss that a trial tried.

    Args:
        prefix: of its parameters.
        loss: the loss.
        num_classes: of its task.
    """

    prefix: str
    loss: Loss
    num_classes: int


@dataclass(frozen=True)
class SuggestedTrial:
    """A finished trial of an objective that asked for losses.

    Args:
        number: of the trial.
        value: what the objective returned; None if it did not.
        stored: its losses as JSON, by the prefixes of their parameters.
        beside: parameters of the objective's own.
        pruned: why theory stopped it before it trained, or empty.
    """

    number: int
    value: float | None
    stored: Mapping[str, Mapping[str, Any]]
    beside: Mapping[str, Any]
    pruned: str

    @property
    def formulas(self) -> list[str]:
        """Its losses in Unicode, written when somebody looks.

        Raises:
            LossError: if somebody changed what is kept of them.
        """
        return [_formula(json.dumps(stored)) for stored in self.stored.values()]


def read_suggestions(study_name: str, trial: FrozenTrial) -> list[Suggestion]:
    """Return the losses that a trial tried, by the names of their prefixes.

    Raises:
        StudyError: if somebody changed what is kept of them.
        LossError: likewise.
    """
    attributes = Attributes.of_trial(study_name, trial)
    return [
        Suggestion(
            prefix,
            Loss.from_dict(attributes.inside(prefix + STORED).values),
            attributes.count(prefix + CLASSES, least=1),
        )
        for prefix in _prefixes(trial)
    ]


def formulas_of(trial: FrozenTrial) -> dict[str, str]:
    """Return the losses that a trial tried in Unicode, by the prefixes of their parameters.

    Raises:
        LossError: if somebody changed what is kept of them.
    """
    return {prefix: _formula(json.dumps(trial.user_attrs[prefix + STORED])) for prefix in _prefixes(trial)}


@cache
def _formula(stored: str) -> str:
    """Write a loss that is stored as JSON, once: that takes longer than to suggest it."""
    return Loss.from_dict(json.loads(stored)).formula("unicode")


def has_suggestions(trial: FrozenTrial) -> bool:
    """Whether a trial tried a loss that ``suggest_loss`` made."""
    return bool(_prefixes(trial))


def suggested_studies(storage: optuna.storages.BaseStorage) -> list[str]:
    """Return the names of the studies in which losses were suggested."""
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    return [study.study_name for study in studies if any(map(has_suggestions, study.get_trials(deepcopy=False)))]


def read_suggested(study: optuna.Study) -> list[SuggestedTrial]:
    """Return the finished trials of a study in which losses were suggested, in their order.

    Raises:
        StudyError: if it has several objectives, or somebody changed what is kept of the losses.
    """
    if len(study.directions) > 1:
        raise StudyError(
            "a study with one objective", f"{len(study.directions)}", "Optuna's own pictures show several."
        )
    trials = []
    for trial in study.get_trials(deepcopy=False):
        attributes = Attributes.of_trial(study.study_name, trial)
        prefixes = _prefixes(trial)
        if trial.state.is_finished():
            beside = {name: each for name, each in trial.params.items() if not name.startswith(tuple(prefixes))}
            value = trial.value if trial.state is TrialState.COMPLETE else None
            stored = {prefix: attributes.inside(prefix + STORED).values for prefix in prefixes}
            trials.append(SuggestedTrial(trial.number, value, stored, beside, _pruned(trial)))
    return trials


def ranked(trials: Sequence[SuggestedTrial], direction: StudyDirection) -> list[SuggestedTrial]:
    """Return the trials that have a value, the best first."""
    measured = [(trial.value, trial) for trial in trials if trial.value is not None]
    sign = -1 if direction == StudyDirection.MAXIMIZE else 1
    return [trial for _, trial in sorted(measured, key=lambda pair: sign * pair[0])]


def _prefixes(trial: FrozenTrial) -> list[str]:
    return sorted(
        name.removesuffix(STORED)
        for name, value in trial.user_attrs.items()
        if name.endswith(STORED) and isinstance(value, dict) and "family" in value
    )


def _pruned(trial: FrozenTrial) -> str:
    """Return why theory pruned a trial, or nothing; of trees that are no loss nothing else is kept."""
    if trial.state is not TrialState.PRUNED:
        return ""
    reasons = [value for name, value in trial.user_attrs.items() if name.endswith(PRUNED) and isinstance(value, str)]
    return reasons[0] if reasons else ""
