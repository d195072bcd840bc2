import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from glo_lightning.search.engines.cma import CmaEngine
from glo_lightning.search.samplers.history import DIED, RELEASED, SLOT, History, Snapshot

POPULATION = 5
RUNNING, COMPLETE, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL


def make_history(max_retry: int = 1) -> History:
    engine = CmaEngine(np.zeros(2), 1.0, POPULATION, seed=0)
    return History(engine, lambda trial: None, max_retry, StudyDirection.MINIMIZE)


def trial_of(number: int, state: TrialState, slot: list | None = None, **attributes: object) -> FrozenTrial:
    trial = create_trial(state=state, value=float(number) if state == COMPLETE else None)
    trial.number, trial._trial_id = number, 100 + number  # copies of a study have other ids
    trial.system_attrs = {**attributes, **({} if slot is None else {SLOT: slot})}
    return trial


def open_indices(snapshot: Snapshot) -> list[int]:
    return [slot.index for slot in snapshot.open]


def test_a_generation_is_open_until_all_its_slots_have_a_verdict() -> None:
    trials = [trial_of(k, COMPLETE, [0, k]) for k in range(POPULATION)]
    history = make_history()
    for count in range(POPULATION):
        snapshot = history.read(trials[:count])
        assert (snapshot.generation, open_indices(snapshot)) == (0, list(range(count, POPULATION)))
    assert history.read(trials).generation == 1
    assert open_indices(history.read(trials)) == list(range(POPULATION))


def test_running_trials_hold_their_slot_and_others_wait() -> None:
    trials = [trial_of(0, RUNNING, [0, 2]), trial_of(1, RUNNING), trial_of(2, RUNNING, fixed_params={})]
    snapshot = make_history().read(trials)
    assert open_indices(snapshot) == [0, 1, 3, 4]
    assert [trial.number for trial in snapshot.running] == [0]
    assert [trial.number for trial in snapshot.tickets] == [1]


@pytest.mark.parametrize(
    ("failures", "is_open"),
    [
        ([{}], True),
        ([{}, {}], False),
        ([{}, {RELEASED: "Ctrl-C"}], True),
        ([{}, {DIED: "killed"}], True),
        ([{RELEASED: "Ctrl-C"}] * 100, True),
        ([{DIED: "killed"}] * 5, True),
        ([{DIED: "killed"}] * 6, False),
        ([{DIED: "killed"}] * 5 + [{RELEASED: "Ctrl-C"}] * 5 + [{}], True),
    ],
)
def test_failed_slots_open_again_for_a_while(failures: list[dict], is_open: bool) -> None:
    trials = [trial_of(k, FAIL, [0, 0], **attributes) for k, attributes in enumerate(failures)]
    assert (0 in open_indices(make_history(max_retry=1).read(trials))) is is_open


def test_slots_taken_by_trials_that_a_reading_does_not_show_yet_are_not_open() -> None:
    """A database may show that a turn is over, but not the trials that were created in it."""
    failed, holder = trial_of(0, FAIL, [0, 3]), trial_of(1, RUNNING, [0, 0, [1, 7], [3, 8]])
    history = make_history()
    assert open_indices(history.read([failed, holder])) == [2, 4]
    created = [trial_of(7, RUNNING, [0, 1]), trial_of(8, FAIL, [0, 3], **{DIED: "killed"})]
    assert open_indices(history.read([failed, holder, *created])) == [2, 3, 4]


def test_a_slot_evaluated_twice_waits_for_both_and_takes_the_first() -> None:
    trials = [trial_of(k, COMPLETE, [0, k]) for k in range(POPULATION)]
    trials.append(trial_of(POPULATION, RUNNING, [0, 0]))
    history = make_history()
    assert history.read(trials).generation == 0
    trials[-1] = trial_of(POPULATION, COMPLETE, [0, 0])
    assert history.read(trials).generation == 1
    again = make_history()
    again.read(trials[:POPULATION])
    assert history.engine.state() == again.engine.state()


@given(st.data())
@settings(max_examples=50)
def test_reading_as_it_happens_equals_reading_it_all_at_once(data: st.DataObject) -> None:
    history, trials = make_history(), []
    for _ in range(60):
        snapshot = history.read(trials)
        running = [trial for trial in trials if trial.state == RUNNING]
        if running and (not snapshot.open or data.draw(st.booleans())):
            number = data.draw(st.sampled_from(running)).number
            state = data.draw(st.sampled_from([COMPLETE, COMPLETE, FAIL]))
            trials[number] = trial_of(number, state, trials[number].system_attrs[SLOT])
        else:
            trials.append(trial_of(len(trials), RUNNING, list(data.draw(st.sampled_from(snapshot.open)))))
    fresh = make_history()
    assert fresh.read(trials) == history.read(trials)
    assert fresh.engine.state() == history.engine.state()
