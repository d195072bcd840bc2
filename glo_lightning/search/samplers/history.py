"""History of a search, read from a study's trials: what is done, who works on what, and which slots are open."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.engines import Engine, Slot
from glo_lightning.search.samplers.optuna_adapter import is_enqueued
from glo_lightning.search.samplers.ranking import judge

C = TypeVar("C")

SLOT = "glo:slot"
"""Trial attribute: [generation, index] of the trial's candidate, then [index, trial number] of others claimed with it.

Databases read a study's trials first and their attributes after. A reader may thus see that a turn is over and yet miss
the trials that were created in it; the further entries tell it that their slots are taken.
"""

RELEASED = "glo:released"
"""Trial attribute: why a candidate was given back. It says nothing about the candidate, however often it happens."""

DIED = "glo:died"
"""Trial attribute: how the worker of a trial died. That may, or may not, be its candidate's fault."""

MAX_KILLED_WORKERS = 5
"""Workers that may die under one candidate before it is taken for the cause, as one that needs too much memory is."""


def find_slot(trial: FrozenTrial) -> Slot | None:
    """Return the slot a trial holds or held; ``None`` for tickets and for trials that users enqueued."""
    claim = trial.system_attrs.get(SLOT)
    return None if claim is None or is_enqueued(trial) else Slot(*claim[:2])


def is_ticket(trial: FrozenTrial) -> bool:
    """Whether a trial is waiting for a slot: running, but with nothing to evaluate yet."""
    return trial.state == TrialState.RUNNING and SLOT not in trial.system_attrs and not is_enqueued(trial)


@dataclass
class Snapshot:
    """The current generation as one reading of the study shows it.

    Args:
        generation: its number, which is also the number of complete generations.
        open: slots nobody works on, in order.
        running: trials at work on a slot.
        tickets: trials that wait for a slot, in the order in which they will be served.
        count: trials of the study.
    """

    generation: int
    open: list[Slot]
    running: list[FrozenTrial]
    tickets: list[FrozenTrial]
    count: int


@dataclass
class _Place:
    """The trials of one slot."""

    running: list[FrozenTrial] = field(default_factory=list)
    finished: list[FrozenTrial] = field(default_factory=list)
    failed: list[FrozenTrial] = field(default_factory=list)

    def add(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.FAIL:
            self.failed.append(trial)
        elif trial.state.is_finished():
            self.finished.append(trial)
        else:
            self.running.append(trial)

    def is_open(self, max_retry: int) -> bool:
        """Whether somebody should work on the slot."""
        return not self.running and self.verdict(max_retry) is None

    def verdict(self, max_retry: int) -> FrozenTrial | None:
        """Return the trial that decides the slot, or ``None`` if it is open or at work."""
        if self.running:
            return None
        if self.finished:
            return self.finished[0]
        released = sum(RELEASED in trial.system_attrs for trial in self.failed)
        died = sum(DIED in trial.system_attrs for trial in self.failed)
        failed = len(self.failed) - released - died
        return self.failed[-1] if failed > max_retry or died > MAX_KILLED_WORKERS else None


class History(Generic[C]):
    """The search so far as a fold over its finished trials.

    The engine is told every generation whose slots all have a verdict. Complete generations are read once, so that
    a reading costs what the current generation costs, however long the search is.

    Args:
        engine: at generation 0.
        decode: reads the candidate back from a trial; ``None`` if the trial does not hold it.
        max_retry: times a failed candidate is tried again before it ranks worst.
        direction: of the study.
    """

    def __init__(
        self,
        engine: Engine[C],
        decode: Callable[[FrozenTrial], C | None],
        max_retry: int,
        direction: StudyDirection,
    ) -> None:
        self.engine = engine
        self._decode = decode
        self._max_retry = max_retry
        self._direction = direction
        self._read = 0  # trials before this one cannot matter any more

    def read(self, trials: Sequence[FrozenTrial]) -> Snapshot:
        """Tell the engine what is new in a study and describe its current generation.

        Args:
            trials: all trials of the study, in order of number.
        """
        recent = trials[self._read :]
        places: dict[int, dict[int, _Place]] = defaultdict(lambda: defaultdict(_Place))
        tickets = []
        hidden: set[Slot] = set()  # taken by trials that this reading does not show yet
        for trial in recent:
            slot = find_slot(trial)
            if slot is not None:
                places[slot.generation][slot.index].add(trial)
                for index, number in trial.system_attrs[SLOT][2:]:
                    if number > recent[-1].number:
                        hidden.add(Slot(slot.generation, index))
            elif is_ticket(trial):
                tickets.append(trial)
        while self._tell(places[self.engine.generation]):
            pass
        generation = self.engine.generation
        for trial in recent:
            slot = find_slot(trial)
            if is_ticket(trial) or (slot is not None and slot.generation >= generation):
                break
            self._read += 1
        current = places[generation]
        return Snapshot(
            generation,
            [
                slot
                for slot in (Slot(generation, index) for index in range(self.engine.population_size))
                if current[slot.index].is_open(self._max_retry) and slot not in hidden
            ],
            [trial for place in current.values() for trial in place.running],
            tickets,
            len(trials),
        )

    def _tell(self, places: dict[int, _Place]) -> bool:
        """Tell the engine a generation if it is complete."""
        verdicts = []
        for index in range(self.engine.population_size):
            verdict = places[index].verdict(self._max_retry) if index in places else None
            if verdict is None:
                return False
            verdicts.append(verdict)
        candidates = []
        for index, trial in enumerate(verdicts):
            stored = self._decode(trial)
            candidates.append(self.engine.candidate(index) if stored is None else stored)
        self.engine.tell(judge(candidates, verdicts, self._direction))
        return True
