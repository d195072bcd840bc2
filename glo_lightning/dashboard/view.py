"""Studies as the dashboard shows them: with pictures, and attributes one by one. Nothing of it is stored."""

import json
from collections.abc import Container, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, cast

import optuna
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.dashboard.pictures import PICTURES, identifier
from glo_lightning.errors import GloError
from glo_lightning.losses.expression import parse
from glo_lightning.search.records.candidates import REPEATED, SCREENED, Writer, formula_writer, proposal
from glo_lightning.search.records.suggested import formulas_of, has_suggestions
from glo_lightning.search.records.verdict import STORED
from glo_lightning.search.samplers.optuna_adapter import FrozenStudy, id_of_study, id_of_trial
from glo_lightning.search.settings import UNUSED
from glo_lightning.search.storage.study import FINGERPRINT
from glo_lightning.training.run import Status

TOGETHER = ("training", "theory")
"""User attributes that a search keeps as one, because each costs a write."""

DECISIONS = ("baseline", "budget", "class-counts", "evaluator", "references")
"""What studies beside a search's are called that only keep what workers agreed upon."""

FIRST = ("formula", "status", "reason", "generation", "index", "seconds")
"""User attributes to show first: the dashboard shows six at a time."""

COUNT = IntDistribution(0, 2**32)
"""The range of numbers that stand in for parameters."""


class StudyView:
    """Passes every operation on to a storage, and adds what is for looking at to the trials it returns.

    Args:
        storage: any Optuna storage.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._studies: dict[int, int] = {}
        self._writers: dict[int, Writer] = {}
        self._formulas: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # not an operation; and copying asks for these before there is a storage
            raise AttributeError(name)
        return getattr(self._storage, name)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies."""
        return [show_study(study) for study in self._storage.get_all_studies() if not _is_internal(study)]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study."""
        trials = self._storage.get_all_trials(study_id, deepcopy=False, states=states)
        return [self._show(trial, study_id) for trial in trials]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial."""
        return self._show(self._storage.get_trial(trial_id), self._study_of(trial_id))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial of a study."""
        return self._show(self._storage.get_best_trial(study_id), study_id)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Return what Optuna and the dashboard keep with a trial, artifacts among it."""
        return self.get_trial(trial_id).system_attrs

    def _show(self, trial: FrozenTrial, study_id: int) -> FrozenTrial:
        return show(trial, study_id, self._write(trial, study_id))

    def _write(self, trial: FrozenTrial, study_id: int) -> dict[str, str]:
        """Write the losses that a trial does not keep as text, by the names of the attributes that show them."""
        if is_candidate(trial):
            is_written = "formula" in trial.user_attrs or _is_stopped_tree(trial)
            return {} if is_written else {"formula": self._formula(trial, study_id)}
        with suppress(GloError):  # somebody changed what is kept of them; the picture says so
            return {f"{prefix}formula": formula for prefix, formula in formulas_of(trial).items()}
        return {}

    def _formula(self, trial: FrozenTrial, study_id: int) -> str:
        """Write a candidate's loss, once: a search does not keep it, because it takes longer than a small training."""
        trial_id = id_of_trial(trial)
        if trial_id not in self._formulas:
            if study_id not in self._writers:
                name = self._storage.get_study_name_from_id(study_id)
                self._writers[study_id] = formula_writer(optuna.load_study(study_name=name, storage=self._storage))
            self._formulas[trial_id] = self._writers[study_id](proposal(trial))
        return self._formulas[trial_id]

    def _study_of(self, trial_id: int) -> int:
        """Return a trial's study, which storages do not tell."""
        if trial_id not in self._studies:
            for study in self._storage.get_all_studies():
                for trial in self._storage.get_all_trials(id_of_study(study), deepcopy=False):
                    self._studies[id_of_trial(trial)] = id_of_study(study)
        return self._studies[trial_id]


BaseStorage.register(StudyView)


def view(storage: BaseStorage) -> BaseStorage:
    """Return a storage for the dashboard to show."""
    return cast(BaseStorage, StudyView(storage))


def show_study(study: FrozenStudy) -> FrozenStudy:
    """Return a study with the settings of its search one by one; of the verdict tells the note."""
    attributes = dict(study.user_attrs)
    attributes.pop(STORED, None)
    settings = attributes.pop(FINGERPRINT, {})
    used = {name: value for name, value in settings.items() if name not in UNUSED.get(settings.get("family"), ())}
    return FrozenStudy(
        study_name=study.study_name,
        direction=None,
        directions=study.directions,
        user_attrs=_readable(used) | _readable(attributes),
        system_attrs=study.system_attrs,
        study_id=id_of_study(study),
    )


def is_candidate(trial: FrozenTrial) -> bool:
    """Tell whether a trial is of a search; those beside it, such as the comparison's, keep no parameters."""
    return "generation" in trial.user_attrs and bool(trial.params or "expression" in trial.user_attrs)


def shows_loss(trial: FrozenTrial) -> bool:
    """Tell whether a trial has a loss to draw."""
    return is_candidate(trial) or has_suggestions(trial)


def _is_stopped_tree(trial: FrozenTrial) -> bool:
    """Tell whether a trial's tree never became a loss."""
    return trial.user_attrs.get("training", {}).get("status") in (SCREENED, REPEATED)


def show(trial: FrozenTrial, study_id: int, formulas: Mapping[str, str]) -> FrozenTrial:
    """Return a trial with pictures and formulas, if it has a loss, and with attributes one by one."""
    attributes = {**_readable(formulas), **trial.user_attrs}
    together: dict[str, Any] = {}
    for name in TOGETHER:
        if isinstance(attributes.get(name), dict):  # somebody's own study may have others of these names
            together.update(attributes.pop(name))
    attributes |= _readable(together)
    first = {name: attributes[name] for name in FIRST if name in attributes}
    counts = {} if trial.params else stand_ins(attributes)
    # Its value is the worst there is, for samplers; here it would look like one that was measured.
    diverged = together.get("status") == Status.DIVERGED
    return FrozenTrial(
        number=trial.number,
        state=TrialState.PRUNED if diverged else trial.state,
        value=None,
        values=None if diverged else trial.values,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params or counts,
        distributions=trial.distributions or dict.fromkeys(counts, COUNT),
        user_attrs=first | attributes,
        system_attrs=trial.system_attrs | (_artifacts(study_id, id_of_trial(trial)) if shows_loss(trial) else {}),
        intermediate_values=trial.intermediate_values,
        trial_id=id_of_trial(trial),
    )


def stand_ins(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return numbers to plot the scores over where a trial has no parameters: of a tree, how large it is.

    Example:
        >>> stand_ins({"expression": "log(h) - y / h"})
        {'nodes': 6, 'depth': 2}
    """
    if "expression" in attributes:
        return dict(zip(("nodes", "depth"), _measure(attributes["expression"]), strict=True))
    return {"seed": attributes["seed"]} if "seed" in attributes else {}


@cache
def _measure(expression: str) -> tuple[int, int]:
    tree = parse(expression)
    return len(list(tree.walk())), tree.depth


def _is_internal(study: FrozenStudy) -> bool:
    """Tell whether a study only keeps what workers agreed upon."""
    return study.study_name.partition("/")[2].startswith(DECISIONS)


def _readable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing."""
    return {name: value for name, value in attributes.items() if value not in (None, "", [], {})}


def _artifacts(study_id: int, trial_id: int) -> dict[str, str]:
    artifacts = {}
    for place, name in enumerate(PICTURES):
        own = identifier(study_id, trial_id, place)
        meta = {"artifact_id": own, "filename": name, "mimetype": "image/svg+xml", "encoding": None}
        artifacts[f"artifacts:{own}"] = json.dumps(meta)
    return artifacts
