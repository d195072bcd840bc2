"""Trials created, filled and told together: what any Optuna reads of it, and that nothing is written twice."""

import pickle
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.samplers.optuna_adapter import (
    Told,
    TrialStore,
    id_of_trial,
    open_trial,
    running_trial,
)
from glo_lightning.search.storage.database import DatabaseStorage
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.population_journal import PopulationJournal

SPACE: dict[str, FloatDistribution] = {
    "x": FloatDistribution(-2.0, 2.0),
    "rate": FloatDistribution(1e-3, 1.0, log=True),
}


def template(x: float = 0.5, **system_attrs: object) -> FrozenTrial:
    return running_trial({"x": x, "rate": 0.1}, dict(SPACE), {"generation": 0, "list": [1, None]}, system_attrs)


@pytest.fixture(params=["memory", "study.db", "study.log"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory" if request.param == "memory" else str(tmp_path / request.param)


@pytest.fixture
def study(place: str) -> optuna.Study:
    return optuna.create_study(storage=open_storage(place), study_name="mine")


def of_optuna(place: str, storage: BaseStorage) -> BaseStorage:
    """The same studies as Optuna itself reads them."""
    if place == "memory":
        return storage
    return RDBStorage(f"sqlite:///{place}") if place.endswith(".db") else JournalStorage(JournalFileBackend(place))


def seen(study: optuna.Study, place: str) -> list[FrozenTrial]:
    """The trials as Optuna reads them, once it is sure that ours are the same."""
    other = optuna.load_study(study_name="mine", storage=of_optuna(place, study._storage))
    theirs, ours = other.trials, study.trials
    assert [vars(each) for each in theirs] == [vars(each) for each in ours]
    return theirs


def test_trials_are_created_whole(study: optuna.Study, place: str) -> None:
    study.ask()
    first, second = TrialStore(study).create([template(0.25, mark="a"), template(-1.0, mark="b")])
    assert [(each.number, each.params["x"]) for each in (first, second)] == [(1, 0.25), (2, -1.0)]
    trial = seen(study, place)[1]
    assert (trial.state, trial.params, trial.distributions) == (TrialState.RUNNING, {"x": 0.25, "rate": 0.1}, SPACE)
    assert (trial.user_attrs, trial.system_attrs) == ({"generation": 0, "list": [1, None]}, {"mark": "a"})
    assert trial.datetime_start is not None
    opened = open_trial(study, second)
    assert opened.suggest_float("x", -2.0, 2.0) == -1.0
    assert 0.0 <= opened.suggest_float("new", 0.0, 1.0) <= 1.0
    opened.set_user_attr("more", 1)
    opened.report(0.5, step=0)
    study.tell(opened, 0.75)
    trial = seen(study, place)[2]
    assert (trial.value, trial.user_attrs["more"], trial.intermediate_values) == (0.75, 1, {0: 0.5})
    assert set(trial.params) == {"x", "rate", "new"}


def test_a_running_trial_is_filled_and_a_finished_one_refuses(study: optuna.Study, place: str) -> None:
    store = TrialStore(study)
    (ticket,) = store.create([running_trial({}, {}, {}, {"worker": "me"})])
    filled = store.fill(ticket, template(1.5, slot=[0, 0]))
    assert (filled.number, filled.params["x"], filled.system_attrs) == (0, 1.5, {"worker": "me", "slot": [0, 0]})
    trial = seen(study, place)[0]
    assert (trial.params, trial.user_attrs, trial.system_attrs) == (
        filled.params, filled.user_attrs, filled.system_attrs
    )  # fmt: skip
    store.fail(id_of_trial(ticket))
    with pytest.raises(UpdateFinishedTrialError):
        store.fill(ticket, template(-1.5, slot=[9, 9]))
    assert seen(study, place)[0].params["x"] == 1.5


def test_what_is_filled_once_more_after_a_lost_answer_is_the_same(study: optuna.Study, place: str) -> None:
    store = TrialStore(study)
    (ticket,) = store.create([running_trial({}, {}, {}, {})])
    for _ in range(2):
        store.fill(ticket, template(1.5, slot=[0, 0]))
    assert seen(study, place)[0].params == {"x": 1.5, "rate": 0.1}


@pytest.mark.parametrize("value", [0.1, float("inf"), float("-inf"), None])
def test_trials_are_told_together(study: optuna.Study, place: str, value: float | None) -> None:
    store = TrialStore(study)
    ids = [id_of_trial(each) for each in store.create([template() for _ in range(3)])]
    completed = TrialState.PRUNED if value is None else TrialState.COMPLETE
    store.tell(
        [
            Told(ids[0], completed, value, {"training": {"status": "completed"}}),
            Told(ids[1], TrialState.PRUNED, None, {"training": {}}, {"invariant": 0.5}),
            Told(ids[2], TrialState.FAIL),
        ]
    )
    first, second, third = seen(study, place)
    assert (first.state, first.value, first.user_attrs["training"]) == (completed, value, {"status": "completed"})
    assert (second.state, second.value, second.constraints) == (TrialState.PRUNED, None, {"invariant": 0.5})
    assert (third.state, third.user_attrs) == (TrialState.FAIL, template().user_attrs)
    assert first.duration is not None


def test_of_trials_told_together_those_that_have_ended_stay(study: optuna.Study, place: str) -> None:
    store = TrialStore(study)
    ids = [id_of_trial(each) for each in store.create([template() for _ in range(4)])]
    for each in (ids[0], ids[2]):
        store.fail(each)
    told = [Told(each, TrialState.COMPLETE, 1.0, {"late": each, "later": 1}) for each in ids]
    for _ in range(2):  # once more after a lost answer
        store.tell(told)
    assert [each.state.name for each in seen(study, place)] == ["FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    assert ["late" in each.user_attrs for each in study.trials] == [False, True, False, True]


def test_numbers_are_unique_whoever_creates(place: str) -> None:
    studies = [optuna.create_study(storage=open_storage(place), study_name="mine")]
    for _ in range(3):
        storage = studies[0]._storage if place == "memory" else open_storage(place)
        studies.append(optuna.load_study(study_name="mine", storage=storage))
    made: list[FrozenTrial] = []

    def create(study: optuna.Study) -> None:
        for _ in range(5):
            made.extend(TrialStore(study).create([template() for _ in range(3)]))

    threads = [threading.Thread(target=create, args=[study]) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.number for each in made) == list(range(60))
    assert len({id_of_trial(each) for each in made}) == 60
    numbers = {id_of_trial(each): each.number for each in studies[0].trials}
    assert all(numbers[id_of_trial(each)] == each.number for each in made)


def test_threads_of_one_storage_do_not_take_each_others_trials(study: optuna.Study) -> None:
    made: list[list[FrozenTrial]] = []

    def create(x: float) -> None:
        for _ in range(5):
            made.append(TrialStore(study).create([template(x), template(x)]))

    threads = [threading.Thread(target=create, args=[x]) for x in (-1.0, 0.0, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(first.params == second.params for first, second in made)
    assert sorted(each.number for pair in made for each in pair) == list(range(30))


@pytest.mark.parametrize("kind", [DatabaseStorage, PopulationJournal])
def test_storages_can_be_sent_to_other_processes(kind: type, tmp_path: Path) -> None:
    place = str(tmp_path / ("study.db" if kind is DatabaseStorage else "study.log"))
    study = optuna.create_study(storage=open_storage(place), study_name="mine")
    assert isinstance(study._storage._storage, kind)  # type: ignore[attr-defined]
    TrialStore(study).create([template()])
    again = optuna.load_study(study_name="mine", storage=pickle.loads(pickle.dumps(study._storage)))  # noqa: S301
    TrialStore(again).create([template()])
    assert [each.number for each in study.trials] == [0, 1]


def test_storages_of_others_do_it_trial_by_trial() -> None:
    class Plain(InMemoryStorage):
        pass

    store = TrialStore(optuna.create_study(storage=Plain()))
    (trial,) = store.create([template()])
    store.tell([Told(id_of_trial(trial), TrialState.COMPLETE, 1.0)])
    assert [each.value for each in store.read()] == [1.0]


def test_trials_are_created_only_if_nobody_else_has_created_some(place: str) -> None:
    study = optuna.create_study(storage=open_storage(place), study_name="mine")
    store = TrialStore(study)
    if place == "memory":
        assert not store.takes_populations
        return
    other = TrialStore(optuna.load_study(study_name="mine", storage=open_storage(place)))
    count = len(store.read())
    assert [each.number for each in other.create_if_nobody_else_did([template(), template()], count)] == [0, 1]
    assert store.create_if_nobody_else_did([template()], count) == []
    other.tell([Told(id_of_trial(each), TrialState.FAIL) for each in other.read()])  # that creates none
    (trial,) = store.create_if_nobody_else_did([template(0.25)], 2)
    assert [each.state.name for each in seen(study, place)] == ["FAIL", "FAIL", "RUNNING"]
    assert seen(study, place)[2].params == trial.params


def test_the_frontier_moves_with_every_trial_that_is_created_or_ends(tmp_path: Path) -> None:
    studies = [
        optuna.create_study(storage=open_storage(tmp_path / "study.db"), study_name="mine", load_if_exists=True)
        for _ in range(2)
    ]
    mine, other = map(TrialStore, studies)
    frontiers = [mine.frontier()]
    (trial,) = other.create([template()])
    frontiers.append(mine.frontier())
    mine.read()
    assert mine.frontier() == frontiers[-1]
    other.set_system_attr(id_of_trial(trial), "heartbeat", 1)
    assert mine.frontier() == frontiers[-1]
    other.tell([Told(id_of_trial(trial), TrialState.COMPLETE, 1.0)])
    frontiers.append(mine.frontier())
    mine.read()
    other.create([template()])
    frontiers.append(mine.frontier())
    assert all(frontiers.count(each) == 1 for each in frontiers)


def sent_while(storage: BaseStorage) -> list[str]:
    """What goes to a database from now on, one round trip each: statements, and begins and ends of transactions."""
    from sqlalchemy import event

    engine = storage._storage._tables.engine  # type: ignore[attr-defined]
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    event.listen(engine, "commit", lambda _: sent.extend(["BEGIN", "COMMIT"]))
    return sent


@pytest.mark.parametrize(("workers", "most"), [(1, 1.2), (4, 4.0)])
@pytest.mark.parametrize("storage", ["study.db", "postgres"])
def test_a_candidate_costs_a_database_few_round_trips(
    tmp_path: Path, request: pytest.FixtureRequest, storage: str, workers: int, most: float
) -> None:
    postgres = storage == "postgres"
    url = request.getfixturevalue("postgres").get_uri() if postgres else str(tmp_path / storage)
    generations, population = 4, 20
    name = f"{workers} workers"
    studies: list[Any] = []
    sent: list[list[str]] = []
    for _ in range(workers):
        sampler = GenerationalCmaEsSampler(
            SPACE, population_size=population, mean=[0.0, 0.1], seed=1, max_generations=generations
        )
        opened = open_storage(url)
        studies.append(optuna.create_study(storage=opened, study_name=name, sampler=sampler, load_if_exists=True))
        sent.append(sent_while(opened))

    def claim() -> list[list[Trial]]:
        return [study.sampler.claim(study, population // workers) for study in studies]

    def tell(shares: list[list[Trial]]) -> None:
        for study, trials in zip(studies, shares, strict=True):
            told = [Told(id_of_trial(each), TrialState.COMPLETE, each.params["x"], {"training": {}}) for each in trials]
            study.sampler.tell(study, told)

    tell(claim())
    for own in sent:
        own.clear()  # what the first claim in a study costs: the settings are agreed on
    while any(shares := claim()):
        tell(shares)
    assert all(len(study.trials) == generations * population for study in studies)
    assert sum(map(len, sent)) <= most * (generations - 1) * population
