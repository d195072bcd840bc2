"""A database that takes the trials of a population at once."""

import functools
import json
from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.storages._rdb.models import (
    StudyModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Float,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from glo_lightning.search.samplers.optuna_adapter import Told, completed

STUDIES: Any = StudyModel.__table__
TRIALS: Any = TrialModel.__table__
VALUES: Any = TrialValueModel.__table__
STEPS: Any = TrialIntermediateValueModel.__table__
FIELDS: dict[str, tuple[Any, str]] = {
    "params": (TrialParamModel.__table__, "param_name"),
    "user_attrs": (TrialUserAttributeModel.__table__, "key"),
    "system_attrs": (TrialSystemAttributeModel.__table__, "key"),
}
"""Tables of what a trial has by name, by what a trial calls it, with the column of the name."""


class DatabaseStorage(_CachedStorage):
    """Optuna's storage in a database, SQLite or PostgreSQL, that takes the trials of a population at once.

    Optuna writes every parameter, attribute and state in a transaction of its own, and reads trials as objects of
    SQLAlchemy's. Here a population is created in one transaction and told in one, and read by two statements. The
    tables are Optuna's, so that any other Optuna can read and write the study.

    Args:
        url: of the database.
        engine_kwargs: for SQLAlchemy.
        skip_table_creation: whether the tables are there.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any], skip_table_creation: bool = False) -> None:
        self._tables = _Tables(url, engine_kwargs=engine_kwargs, skip_table_creation=skip_table_creation)
        super().__init__(self._tables)

    def create_new_trials(
        self, study_id: int, templates: Sequence[FrozenTrial], expected: int | None = None
    ) -> list[FrozenTrial]:
        """Create running trials and return them; none if the study has not the expected number of trials any more."""
        trials = self._tables.create_new_trials(study_id, templates, expected)
        with self._lock:
            self._studies.setdefault(study_id, _StudyInfo())
            self._add_trials_to_cache(study_id, trials)
        return [
            completed(trial, trial._trial_id, trial.number, trial.datetime_start, dict(trial.system_attrs))
            for trial in trials
        ]

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        """End those trials that still run."""
        self._tables.finish_trials(all_told)

    def frontier(self, study_id: int) -> dict[int, TrialState]:
        """Return states by number of the trials that are not known to have ended."""
        with self._lock:
            study = self._studies.setdefault(study_id, _StudyInfo())
            return self._tables.frontier(study_id, study.unfinished_trial_ids, study.last_finished_trial_id)


class _Tables(RDBStorage):
    """Optuna's tables, written and read in rows."""

    def create_new_trials(
        self, study_id: int, templates: Sequence[FrozenTrial], expected: int | None
    ) -> list[FrozenTrial]:
        start = datetime.now()
        with self.engine.begin() as connection:
            # A write that changes nothing: whoever else creates trials waits here, in every database.
            connection.execute(update(STUDIES).where(STUDIES.c.study_id == study_id).values(study_id=study_id))
            statement = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id)
            number = connection.execute(statement).scalar_one()
            if expected is not None and number != expected:
                return []
            rows: list[dict[str, Any]] = [
                {
                    "number": number + place,
                    "study_id": study_id,
                    "state": template.state,
                    "datetime_start": _to_utc(template.datetime_start or start),
                }
                for place, template in enumerate(templates)
            ]
            connection.execute(insert(TRIALS), rows)
            new = (TRIALS.c.study_id == study_id) & (TRIALS.c.number >= number)
            ids = connection.execute(select(TRIALS.c.trial_id).where(new).order_by(TRIALS.c.number)).scalars().all()
            self._write_fields(connection, dict(zip(ids, templates, strict=True)))
        return [
            completed(each, trial_id, row["number"], each.datetime_start or start, dict(each.system_attrs))
            for trial_id, row, each in zip(ids, rows, templates, strict=True)
        ]

    def finish_trials(self, all_told: Sequence[Told]) -> None:
        by_state: dict[TrialState, list[int]] = defaultdict(list)
        for told in all_told:
            by_state[told.state].append(told.trial_id)
        with self.engine.begin() as connection:
            ended = {each for state, ids in by_state.items() for each in _end(connection, ids, state)}
            fields = {told.trial_id: told for told in all_told if told.trial_id in ended}
            self._write_fields(connection, fields)
            rows = [_value_row(told.trial_id, told.value) for told in fields.values() if told.value is not None]
            if rows:
                connection.execute(insert(VALUES), rows)

    def _write_fields(self, connection: Connection, fields: "Mapping[int, FrozenTrial | Told]") -> None:
        for name, (_, key) in FIELDS.items():
            rows = [
                {"trial_id": trial_id, key: each, **_stored(one, name, each, value)}
                for trial_id, one in fields.items()
                for each, value in getattr(one, name, {}).items()
            ]
            if rows:
                connection.execute(_put(self.engine.dialect.name, name), rows)

    def frontier(self, study_id: int, unfinished: Collection[int], last_finished: int) -> dict[int, TrialState]:
        wanted = {"study": study_id, "last": last_finished, "unfinished": list(unfinished)}
        with self._reading() as connection:
            return {row.number: row.state for row in connection.execute(_select_states(), wanted)}

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        wanted = {"study": study_id, "last": trial_id_greater_than, "unfinished": list(included_trial_ids)}
        with self._reading() as connection:
            trials = connection.execute(_select_trials(), wanted).all()
            fields: dict[int, list[Row[Any]]] = defaultdict(list)
            for field in connection.execute(_select_fields(), wanted) if trials else ():
                fields[field.trial_id].append(field)
        if not trials:
            self.get_study_name_from_id(study_id)  # raises if there is no such study
        return [_read_trial(row, fields[row.trial_id]) for row in trials if states is None or row.state in states]

    def _reading(self) -> Connection:
        """Return a connection that needs no transaction."""
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _end(connection: Connection, trial_ids: Sequence[int], state: TrialState) -> Sequence[int]:
    """End those trials that run, and return their ids; nobody else writes to them until the transaction ends."""
    statement = (
        update(TRIALS)
        .where(TRIALS.c.trial_id.in_(trial_ids), TRIALS.c.state == TrialState.RUNNING)
        .values(state=state, datetime_complete=_to_utc(datetime.now()))
        .returning(TRIALS.c.trial_id)
    )
    return connection.execute(statement).scalars().all()


@functools.cache
def _put(dialect: str, name: str) -> Any:
    """Return what writes fields, in place of those that are there: an answer that was lost may have written them."""
    table, key = FIELDS[name]
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    values = [each for each in table.c if not each.primary_key and each.name not in ("trial_id", key)]
    new = {each.name: statement.excluded[each.name] for each in values}
    return statement.on_conflict_do_update(index_elements=["trial_id", key], set_=new)


@functools.cache
def _may_have_changed() -> Any:
    """Return the condition on trials of a study that one that has read them before asks for."""
    later = TRIALS.c.trial_id > bindparam("last")
    return (TRIALS.c.study_id == bindparam("study")) & or_(
        later, TRIALS.c.trial_id.in_(bindparam("unfinished", expanding=True))
    )


@functools.cache
def _select_states() -> Select[Any]:
    return select(TRIALS.c.number, TRIALS.c.state).where(_may_have_changed())


@functools.cache
def _select_trials() -> Select[Any]:
    return select(TRIALS).where(_may_have_changed()).order_by(TRIALS.c.trial_id)


@functools.cache
def _select_fields() -> Any:
    """Return what reads all that trials have by name: what kind it is, its name, and a number, a text or both."""
    wanted = select(TRIALS.c.trial_id).where(_may_have_changed())
    params, user_attrs, system_attrs = (table for table, _ in FIELDS.values())

    def each(table: Table, kind: str, name: Any, number: Any, text: Any) -> Select[Any]:
        columns = [table.c.trial_id, literal_column(f"'{kind}'").label("kind")]
        columns += [
            cast(name, Text).label("name"),
            cast(number, Float(53)).label("number"),
            cast(text, Text).label("text"),
        ]
        return select(*columns).where(table.c.trial_id.in_(wanted))

    return union_all(
        each(params, "params", params.c.param_name, params.c.param_value, params.c.distribution_json),
        each(user_attrs, "user_attrs", user_attrs.c.key, null(), user_attrs.c.value_json),
        each(system_attrs, "system_attrs", system_attrs.c.key, null(), system_attrs.c.value_json),
        each(VALUES, "values", VALUES.c.objective, VALUES.c.value, VALUES.c.value_type),
        each(STEPS, "steps", STEPS.c.step, STEPS.c.intermediate_value, STEPS.c.intermediate_value_type),
    )


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


def _value_row(trial_id: int, value: float) -> dict[str, Any]:
    number, kind = TrialValueModel.value_to_stored_repr(value)
    return {"trial_id": trial_id, "objective": 0, "value": number, "value_type": kind}


def _read_trial(row: Row[Any], fields: Sequence[Row[Any]]) -> FrozenTrial:
    distributions: dict[str, BaseDistribution] = {}
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for field in fields:
        kind, name, number, text = field.kind, field.name, field.number, field.text
        if kind == "params":
            distributions[name] = _distribution(text)
            found[kind][name] = distributions[name].to_external_repr(number)
        elif kind == "values":
            value_type = TrialValueModel.TrialValueType[text]
            found[kind][name] = TrialValueModel.stored_repr_to_value(number, value_type)
        elif kind == "steps":
            step_type = TrialIntermediateValueModel.TrialIntermediateValueType[text]
            found[kind][name] = TrialIntermediateValueModel.stored_repr_to_intermediate_value(number, step_type)
        else:
            found[kind][name] = json.loads(text)
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[found["values"][objective] for objective in sorted(found["values"], key=int)] or None,
        datetime_start=_from_utc(row.datetime_start),
        datetime_complete=_from_utc(row.datetime_complete),
        params=found["params"],
        distributions=distributions,
        user_attrs=found["user_attrs"],
        system_attrs=found["system_attrs"],
        intermediate_values={int(step): value for step, value in found["steps"].items()},
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
