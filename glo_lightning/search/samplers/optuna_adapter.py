"""Optuna's private names, all of them here: the storage behind a study, the ids it goes by, attributes of samplers.

Optuna shows people studies and trials. A sampler that serves many workers also needs what lies behind them, and so does
whoever adds to Optuna's dashboard. tests/test_private_names.py holds this file to the versions it was checked with.
"""

import functools
import json
import threading
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optuna import Study
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.storages.journal import BaseJournalBackend
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = [
    "DatabaseStorage",
    "FrozenStudy",
    "PopulationJournal",
    "Told",
    "TrialStore",
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
    """

    def __init__(self, study: Study) -> None:
        self._storage: Any = study._storage
        self._study_id = study._study_id
        self._takes_populations = hasattr(self._storage, "create_new_trials")

    def read(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the trials in order of number, not to be changed."""
        trials: list[FrozenTrial] = self._storage.get_all_trials(self._study_id, deepcopy=False, states=states)
        return trials

    def create(self, templates: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Create trials whole, which Optuna's ``ask`` could not, and return them."""
        if self._takes_populations:
            created: list[FrozenTrial] = self._storage.create_new_trials(self._study_id, templates)
            return created
        ids = [self._storage.create_new_trial(self._study_id, template) for template in templates]
        return [self._storage.get_trial(trial_id) for trial_id in ids]

    def fill(self, trial: FrozenTrial, template: FrozenTrial) -> FrozenTrial:
        """Give a running trial parameters and attributes of a template, and return it; people's attributes come first.

        Raises:
            UpdateFinishedTrialError: if the trial has ended.
        """
        trial_id = trial._trial_id
        if self._takes_populations:
            self._storage.fill_trial(trial_id, template)
        else:
            _fill(self._storage, trial_id, template)
        system_attrs = {**trial.system_attrs, **template.system_attrs}
        return _completed(template, trial_id, trial.number, trial.datetime_start, system_attrs)

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
        if self._takes_populations:
            self._storage.finish_trials(all_told)
            return
        for told in all_told:
            with suppress(UpdateFinishedTrialError):
                _finish(self._storage, told)

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


def _fill(storage: BaseStorage, trial_id: int, template: FrozenTrial) -> None:
    for name, distribution in template.distributions.items():
        value = distribution.to_internal_repr(template.params[name])
        storage.set_trial_param(trial_id, name, value, distribution)
    for name, value in template.user_attrs.items():
        storage.set_trial_user_attr(trial_id, name, value)
    for name, value in template.system_attrs.items():
        storage.set_trial_system_attr(trial_id, name, value)


def _finish(storage: BaseStorage, told: Told) -> None:
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


def _completed(
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


class PopulationJournal(JournalStorage):
    """Optuna's storage in a journal, that takes the trials of a population at once: in one write of many lines.

    Args:
        log_storage: the journal.
    """

    def __init__(self, log_storage: BaseJournalBackend) -> None:
        self._batches: dict[int, list[dict[str, Any]]] = {}
        super().__init__(log_storage)

    def create_new_trials(self, study_id: int, templates: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Create running trials and return them."""
        with self._thread_lock:
            # Optuna looks at it before the lines are written, when there may be none yet.
            self._replay_result._last_created_trial_id_by_this_process = -1
        with self._collect() as lines:
            for template in templates:
                self.create_new_trial(study_id, template)
        with self._thread_lock:
            self._write(lines)
            # Lines that are written together are replayed together.
            last = self._replay_result._last_created_trial_id_by_this_process
            return [self._replay_result.get_trial(last - place) for place in reversed(range(len(templates)))]

    def fill_trial(self, trial_id: int, template: FrozenTrial) -> None:
        """Give a running trial the parameters and attributes of a template."""
        with self._collect() as lines:
            _fill(self, trial_id, template)
        with self._thread_lock:
            self._write(lines)

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        """End those trials that still run."""
        with self._collect() as lines:
            for told in all_told:
                _finish(self, told)
        with self._thread_lock, suppress(UpdateFinishedTrialError):
            self._write(lines)

    @contextmanager
    def _collect(self) -> Iterator[list[dict[str, Any]]]:
        """Keep the lines that this thread would write."""
        try:
            yield self._batches.setdefault(threading.get_ident(), [])
        finally:
            del self._batches[threading.get_ident()]

    def _write(self, lines: list[dict[str, Any]]) -> None:
        """Write lines and replay all of them, those that a finished trial refuses included."""
        self._backend.append_logs(lines)
        refusal = None
        while True:
            try:
                self._sync_with_backend()
                break
            except UpdateFinishedTrialError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        lines = self._batches.get(threading.get_ident())
        if lines is None:
            super()._write_log(op_code, extra_fields)
        else:
            lines.append({"op_code": op_code, "worker_id": self._replay_result.worker_id, **extra_fields})

    def _sync_with_backend(self) -> None:
        if threading.get_ident() not in self._batches:
            super()._sync_with_backend()


class DatabaseStorage(_CachedStorage):
    """Optuna's storage in a database, SQLite or PostgreSQL, that takes the trials of a population at once.

    Optuna writes every parameter, attribute and state in a transaction of its own, and reads trials as objects of
    SQLAlchemy's. Here a population is created in one transaction and told in one. The tables are Optuna's, so that any
    other Optuna can read and write the study.

    Args:
        url: of the database.
        engine_kwargs: for SQLAlchemy.
        skip_table_creation: whether the tables are there.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any], skip_table_creation: bool = False) -> None:
        self._tables = _Tables(url, engine_kwargs=engine_kwargs, skip_table_creation=skip_table_creation)
        super().__init__(self._tables)

    def create_new_trials(self, study_id: int, templates: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Create running trials and return them."""
        trials = self._tables.create_new_trials(study_id, templates)
        with self._lock:
            self._studies.setdefault(study_id, _StudyInfo())
            self._add_trials_to_cache(study_id, trials)
        return [
            _completed(trial, trial._trial_id, trial.number, trial.datetime_start, dict(trial.system_attrs))
            for trial in trials
        ]

    def fill_trial(self, trial_id: int, template: FrozenTrial) -> None:
        """Give a running trial the parameters and attributes of a template."""
        self._tables.fill_trial(trial_id, template)

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        """End those trials that still run."""
        self._tables.finish_trials(all_told)


class _Tables(RDBStorage):
    """Optuna's tables, written and read in rows."""

    def create_new_trials(self, study_id: int, templates: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        from optuna.storages._rdb import models
        from sqlalchemy import func, insert, select, update

        trials, studies = models.TrialModel.__table__, models.StudyModel.__table__
        start = datetime.now()
        rows: list[dict[str, Any]]
        with _create_scoped_session(self.scoped_session) as session:
            # A write that changes nothing: whoever else creates trials waits here, in every database.
            session.execute(update(studies).where(studies.c.study_id == study_id).values(study_id=study_id))
            number = session.execute(select(func.count()).where(trials.c.study_id == study_id)).scalar_one()
            rows = [
                {
                    "number": number + place,
                    "study_id": study_id,
                    "state": template.state,
                    "datetime_start": _to_utc(template.datetime_start or start),
                }
                for place, template in enumerate(templates)
            ]
            statement = insert(trials).returning(trials.c.trial_id, sort_by_parameter_order=True)
            ids = list(session.execute(statement, rows).scalars())
            self._insert_fields(session, dict(zip(ids, templates, strict=True)))
        return [
            _completed(each, trial_id, row["number"], each.datetime_start or start, dict(each.system_attrs))
            for trial_id, row, each in zip(ids, rows, templates, strict=True)
        ]

    def fill_trial(self, trial_id: int, template: FrozenTrial) -> None:
        with _create_scoped_session(self.scoped_session) as session:
            if not self._end(session, [trial_id], TrialState.RUNNING):
                raise UpdateFinishedTrialError(f"Trial {trial_id} has ended.")
            self._delete_fields(session, [trial_id], [template])  # what an answer that was lost had written
            self._insert_fields(session, {trial_id: template})

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        from optuna.storages._rdb import models
        from sqlalchemy import insert

        by_state: dict[TrialState, list[int]] = defaultdict(list)
        for told in all_told:
            by_state[told.state].append(told.trial_id)
        with _create_scoped_session(self.scoped_session) as session:
            ended = {each for state, ids in by_state.items() for each in self._end(session, ids, state)}
            fields = {told.trial_id: told for told in all_told if told.trial_id in ended}
            self._delete_fields(session, list(fields), list(fields.values()))
            self._insert_fields(session, fields)
            values = []
            for told in fields.values():
                if told.value is not None:
                    value, value_type = models.TrialValueModel.value_to_stored_repr(told.value)
                    row = {"trial_id": told.trial_id, "objective": 0, "value": value, "value_type": value_type}
                    values.append(row)
            if values:
                session.execute(insert(models.TrialValueModel.__table__), values)

    def _end(self, session: "Session", trial_ids: Sequence[int], state: TrialState) -> list[int]:
        """Set the state of those trials that run, and return their ids; nobody else writes to them until the end."""
        from optuna.storages._rdb import models
        from sqlalchemy import update

        trials = models.TrialModel.__table__
        ends = {"datetime_complete": _to_utc(datetime.now())} if state.is_finished() else {}
        statement = (
            update(trials)
            .where(trials.c.trial_id.in_(trial_ids), trials.c.state == TrialState.RUNNING)
            .values(state=state, **ends)
            .returning(trials.c.trial_id)
        )
        return list(session.execute(statement).scalars())

    def _delete_fields(
        self, session: "Session", trial_ids: Sequence[int], fields: "Sequence[FrozenTrial | Told]"
    ) -> None:
        from sqlalchemy import delete

        for table, key, name in _field_tables():
            names = {each for one in fields for each in getattr(one, name, {})}
            if names:
                session.execute(delete(table).where(table.c.trial_id.in_(trial_ids), table.c[key].in_(names)))

    def _insert_fields(self, session: "Session", fields: "dict[int, FrozenTrial] | dict[int, Told]") -> None:
        from sqlalchemy import insert

        for table, key, name in _field_tables():
            rows = [
                {"trial_id": trial_id, key: each, **_stored(one, name, each, value)}
                for trial_id, one in fields.items()
                for each, value in getattr(one, name, {}).items()
            ]
            if rows:
                session.execute(insert(table), rows)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        from optuna.storages._rdb import models
        from sqlalchemy import or_, select

        trials = models.TrialModel.__table__
        wanted = trials.c.study_id == study_id
        if trial_id_greater_than > -1:
            included = [each for each in included_trial_ids if each <= trial_id_greater_than]
            wanted &= or_(trials.c.trial_id > trial_id_greater_than, trials.c.trial_id.in_(included))
        with _create_scoped_session(self.scoped_session) as session:
            rows = session.execute(select(trials).where(wanted).order_by(trials.c.trial_id)).all()
            if not rows:
                models.StudyModel.find_or_raise_by_id(study_id, session)
                return []
            chosen = select(trials.c.trial_id).where(wanted)
            fields: dict[type, dict[int, list[Any]]] = {}
            for model in (
                models.TrialParamModel,
                models.TrialUserAttributeModel,
                models.TrialSystemAttributeModel,
                models.TrialValueModel,
                models.TrialIntermediateValueModel,
            ):
                table = model.__table__
                found = fields[model] = defaultdict(list)
                statement = select(table).where(table.c.trial_id.in_(chosen)).order_by(*table.primary_key)
                for row in session.execute(statement):
                    found[row.trial_id].append(row)
        return [
            _read_trial(row, {model: found.get(row.trial_id, []) for model, found in fields.items()})
            for row in rows
            if states is None or row.state in states
        ]


def _field_tables() -> list[tuple[Any, str, str]]:
    """Return the tables of what a trial has by name: the column of the name, and what a trial calls them."""
    from optuna.storages._rdb import models

    return [
        (models.TrialParamModel.__table__, "param_name", "params"),
        (models.TrialUserAttributeModel.__table__, "key", "user_attrs"),
        (models.TrialSystemAttributeModel.__table__, "key", "system_attrs"),
    ]


def _stored(one: "FrozenTrial | Told", kind: str, name: str, value: Any) -> dict[str, Any]:
    """Return a parameter or an attribute as its table keeps it."""
    if kind == "params":
        assert isinstance(one, FrozenTrial)
        distribution = one.distributions[name]
        return {
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": distribution_to_json(distribution),
        }
    return {"value_json": json.dumps(value)}


def _read_trial(row: Any, fields: dict[type, list[Any]]) -> FrozenTrial:
    from optuna.storages._rdb import models

    distributions = {each.param_name: _distribution(each.distribution_json) for each in fields[models.TrialParamModel]}
    values = [
        models.TrialValueModel.stored_repr_to_value(each.value, each.value_type)
        for each in sorted(fields[models.TrialValueModel], key=lambda each: each.objective)
    ]
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=values or None,
        datetime_start=_from_utc(row.datetime_start),
        datetime_complete=_from_utc(row.datetime_complete),
        params={
            each.param_name: distributions[each.param_name].to_external_repr(each.param_value)
            for each in fields[models.TrialParamModel]
        },
        distributions=distributions,
        user_attrs={each.key: json.loads(each.value_json) for each in fields[models.TrialUserAttributeModel]},
        system_attrs={each.key: json.loads(each.value_json) for each in fields[models.TrialSystemAttributeModel]},
        intermediate_values={
            each.step: models.TrialIntermediateValueModel.stored_repr_to_intermediate_value(
                each.intermediate_value, each.intermediate_value_type
            )
            for each in fields[models.TrialIntermediateValueModel]
        },
        trial_id=row.trial_id,
    )


@functools.lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)


def _to_utc(local: datetime) -> datetime:
    """Return a time as the tables keep it."""
    return local.astimezone(UTC).replace(tzinfo=None)


def _from_utc(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
