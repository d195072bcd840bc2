"""Claims: which worker evaluates which candidate, agreed on by threads, processes and machines without locks."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from optuna import TrialPruned
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.errors import StudyError
from glo_lightning.search.engines import Slot
from glo_lightning.search.samplers.heartbeat import Heartbeat, HeartbeatMonitor
from glo_lightning.search.samplers.history import DIED, RELEASED, SLOT, History, Snapshot, is_ticket
from glo_lightning.search.samplers.optuna_adapter import Told, TrialStore, id_of_trial, running_trial
from glo_lightning.search.samplers.worker_identity import WORKER, WorkerIdentity

TOO_SILENT = (
    "a heartbeat every few seconds",
    "a worker that was silent for so long that its trial was given up",
    "Ask again; if machines are that slow, give the sampler a longer grace_period.",
)
FINISHED = "The search is finished; raise max_generations to continue it."

LOOK_SECONDS = 1.0
"""Time after which a worker that waits looks whether the others live, whatever happened."""

Description = tuple[dict[str, Any], dict[str, BaseDistribution], dict[str, Any]]
"""Parameters, their distributions and user attributes."""

C = TypeVar("C")
T = TypeVar("T")

_logger = logging.getLogger(__name__)


class SearchFinished(TrialPruned):
    """All generations that were asked for are complete."""


class TicketLostError(StudyError):
    """A trial whose worker was taken for dead while it waited for a slot."""


def never_mind() -> None:
    """Do nothing between two looks at the study."""


class Claims(Generic[C]):
    """Claims on the slots of one study, as one process has and sees them.

    Where the storage creates trials on the condition that nobody else has created any since they were read, trials are
    created with their slots in them, and who is late reads again.

    Any other storage, and whoever asks for trials by Optuna's own ``ask``, gives *tickets*: running trials without a
    slot. Trial numbers are unique and rising in every storage, so tickets are served in their order: the lowest one
    alone may claim, all others wait until it has, and nobody claims without one while there is one. In its turn a
    ticket may also create further trials with their slots already in them, which is how several candidates are claimed
    at once. Writing its own slot ends the turn. The settings of a search are agreed on in the turn of its first ticket.

    Workers that die are noticed by those who wait for them.

    Args:
        store: the study's trials.
        agree: returns the history, after the settings have been agreed on with the study; ``None`` as long as nobody
            has stored them. It stores them itself if its argument is true, which only the holder of the turn passes.
        describe: parameters, distributions and user attributes of the trial with a slot and its candidate.
        max_generations: returns the generations after which nothing is open, which may grow; ``None`` for no end.
        grace_period: seconds of silence after which a worker is presumed dead.
    """

    def __init__(
        self,
        store: TrialStore,
        agree: Callable[[bool], History[C] | None],
        describe: Callable[[Slot, C], Description],
        max_generations: Callable[[], int | None],
        grace_period: float,
    ) -> None:
        self._store = store
        self._agree = agree
        self._describe = describe
        self._max_generations = max_generations
        self._heartbeat = Heartbeat(store, grace_period / 6)
        self._monitor = HeartbeatMonitor(grace_period, grace_period / 6)
        self._history: History[C] | None = None
        self._candidates: dict[int, C] = {}
        self._threads: dict[int, int] = {}  # the thread that asked for each unfinished trial of this process
        self._spare = False  # whether the last claim left slots open
        self._lock = threading.Lock()  # guards the history; never held while waiting

    def look(self) -> tuple[Snapshot, History[C] | None]:
        """Read the study."""
        with self._lock:
            return self._look(), self._history

    def claim(self, count: int, on_wait: Callable[[], None]) -> list[FrozenTrial]:
        """Wait for open slots, and claim up to ``count`` of them.

        Args:
            count: slots wanted.
            on_wait: called between two looks at the study.

        Returns:
            Running trials that hold the slots; none if the search is finished.

        Raises:
            StudyError: if the wait could never end.
        """
        if self._store.takes_populations and self._has_begun():
            glance = _Glance(self._store)
            return _poll(lambda: self._claim_whole(count, glance) if glance.is_worth_a_look() else None, on_wait)
        while self._wait_for_slots(on_wait):
            (ticket,) = self._store.create([running_trial({}, {}, {}, _signature())])
            try:
                return self.take(ticket, count, on_wait)
            except SearchFinished:  # another worker took the last candidate in the meantime
                self.release([id_of_trial(ticket)], "search finished")
                break
            except TicketLostError:
                continue
        return []

    def _has_begun(self) -> bool:
        with self._lock:
            if self._history is None:
                self._look()
            return self._history is not None

    def _claim_whole(self, count: int, glance: "_Glance") -> list[FrozenTrial] | None:
        with self._lock:
            assert self._history is not None
            snapshot = self._look()
            if self.is_finished(snapshot.generation):
                return []
            if snapshot.open:
                glance.look_again()  # should those with tickets, or others that are quicker, leave some
            if not snapshot.open or snapshot.tickets:
                self._mind(snapshot)
                return None
            slots = snapshot.open[:count]
            candidates = [self._history.engine.candidate(slot.index) for slot in slots]
            signature = _signature()
            templates = [
                running_trial(*self._describe(slot, candidate), {**signature, SLOT: list(slot)})
                for slot, candidate in zip(slots, candidates, strict=True)
            ]
            trials = self._store.create_if_nobody_else_did(templates, snapshot.count)
            for trial in trials:
                self._hold(id_of_trial(trial))
            return trials or None

    def _wait_for_slots(self, on_wait: Callable[[], None]) -> bool:
        """Wait until a slot is likely open, without asking for it; false if the search is finished."""
        if self._spare:  # spares a reading; and should others have been quicker, the next generation will do
            self._spare = False
            return True

        def attempt() -> bool | None:
            with self._lock:
                snapshot = self._look()
                if self.is_finished(snapshot.generation):
                    return False
                if len(snapshot.open) > len(snapshot.tickets):
                    return True
                self._mind(snapshot)
                return None

        return _poll(attempt, on_wait)

    def take(
        self, ticket: FrozenTrial, count: int, on_wait: Callable[[], None], whole: bool = True
    ) -> list[FrozenTrial]:
        """Wait for a ticket's turn and for open slots, and claim up to ``count`` of them.

        Args:
            ticket: a running trial that has nothing to evaluate yet.
            count: slots wanted.
            on_wait: called between two looks at the study.
            whole: whether the ticket gets its candidate's parameters; where a trial of Optuna's suggests them, it does.

        Returns:
            The trials that hold the slots; the ticket comes first.

        Raises:
            SearchFinished: if the last generation completes first; the ticket is the caller's to end.
            StudyError: if the wait could never end, or the ticket was taken for dead.
        """
        self._hold(id_of_trial(ticket))
        try:
            return _poll(lambda: self._serve(ticket, count, whole), on_wait)
        except SearchFinished:
            raise
        except BaseException as error:
            self.release([id_of_trial(ticket)], f"no slot: {type(error).__name__}")
            raise

    def candidate(self, trial_id: int) -> C | None:
        """Return the candidate of a trial that this process claimed and has not finished."""
        return self._candidates.get(trial_id)

    def forget(self, trial_id: int) -> None:
        """Let go of a finished trial."""
        self._heartbeat.drop(trial_id)
        self._candidates.pop(trial_id, None)
        self._threads.pop(trial_id, None)

    def tell(self, all_told: Sequence[Told]) -> None:
        """End trials together; those that have ended in the meantime stay as they are."""
        for told in all_told:
            self.forget(told.trial_id)
        if all_told:
            self._store.tell(all_told)

    def release(self, trial_ids: Sequence[int], reason: str) -> None:
        """End trials without a verdict, so that their candidates are issued again."""
        for trial_id in trial_ids:
            self.forget(trial_id)
        for trial_id in trial_ids:
            self._end(trial_id, RELEASED, reason)

    def _end(self, trial_id: int, attribute: str, reason: str) -> None:
        # It may have ended in the meantime; then its verdict stands.
        with suppress(UpdateFinishedTrialError):
            self._store.set_system_attr(trial_id, attribute, reason)
            self._store.fail(trial_id)

    def _hold(self, trial_id: int) -> None:
        self._threads[trial_id] = threading.get_ident()
        self._heartbeat.hold(trial_id)

    def _serve(self, ticket: FrozenTrial, count: int, whole: bool) -> list[FrozenTrial] | None:
        with self._lock:
            snapshot = self._look(id_of_trial(ticket))
            if self.is_finished(snapshot.generation):
                raise SearchFinished(FINISHED)
            tickets = [id_of_trial(trial) for trial in snapshot.tickets]
            if id_of_trial(ticket) not in tickets:
                raise TicketLostError(*TOO_SILENT)
            if snapshot.open and tickets[0] == id_of_trial(ticket):
                return self._claim(ticket, snapshot.open[:count], len(snapshot.open), whole)
            self._mind(snapshot)
            return None

    def _claim(self, ticket: FrozenTrial, slots: list[Slot], available: int, whole: bool) -> list[FrozenTrial]:
        assert self._history is not None
        engine = self._history.engine
        candidates = [engine.candidate(slot.index) for slot in slots]
        first, *others = [self._describe(slot, candidate) for slot, candidate in zip(slots, candidates, strict=True)]
        trials = [ticket]
        try:
            signature = _signature()
            templates = [
                running_trial(*description, {**signature, SLOT: list(slot)})
                for slot, description in zip(slots[1:], others, strict=True)
            ]
            trials += self._store.create(templates) if templates else []
            for trial in trials[1:]:
                self._hold(id_of_trial(trial))
            numbers = [[slot.index, trial.number] for slot, trial in zip(slots[1:], trials[1:], strict=True)]
            params, distributions, user_attrs = first if whole else ({}, {}, first[2])
            turn_over = {SLOT: [*slots[0], *numbers]}
            trials[0] = self._store.fill(ticket, running_trial(params, distributions, user_attrs, turn_over))
        except BaseException as error:
            self.release([id_of_trial(trial) for trial in trials], f"not claimed: {type(error).__name__}")
            if isinstance(error, UpdateFinishedTrialError):
                raise TicketLostError(*TOO_SILENT) from error
            raise
        self._candidates.update(zip(map(id_of_trial, trials), candidates, strict=True))
        self._spare = len(slots) < available and not self.is_finished(slots[0].generation + 1)
        return trials

    def _look(self, ticket: int | None = None) -> Snapshot:
        trials = self._store.read()
        if self._history is None:
            tickets = [trial for trial in trials if is_ticket(trial)]
            in_turn = bool(tickets) and id_of_trial(tickets[0]) == ticket
            self._history = self._agree(in_turn)
            if self._history is None:  # nobody has begun
                return Snapshot(0, [Slot(0, 0)], [], tickets, len(trials))
        return self._history.read(trials)

    def is_finished(self, generation: int) -> bool:
        """Whether a search that reached this generation is finished."""
        most = self._max_generations()
        return most is not None and generation >= most

    def _mind(self, snapshot: Snapshot) -> None:
        """Before waiting: see that the wait can end, and give up on the dead."""
        if not snapshot.open:
            thread = threading.get_ident()
            own = [t.number for t in snapshot.running if self._threads.get(id_of_trial(t)) == thread]
            if own:
                raise StudyError(
                    "every trial of a generation told before the next generation is asked for",
                    f"trials {own} of this thread unfinished and no other candidate open",
                    "Tell them first; claim(study, count) gets several candidates at once.",
                )
        others = [t for t in snapshot.running + snapshot.tickets if id_of_trial(t) not in self._threads]
        silent = self._monitor.silent(others)
        for trial in others:
            worker = WorkerIdentity.of_worker(trial)
            if (worker is not None and worker.is_dead()) or trial in silent:
                _logger.warning("The worker of trial %d is gone; its candidate is issued again.", trial.number)
                self._end(id_of_trial(trial), DIED, "worker gone")


def _signature() -> dict[str, Any]:
    """Return the attribute by which a worker's trials are known as its own."""
    return {WORKER: list(WorkerIdentity.of_this_process())}


class _Glance:
    """Tells whether another look at a study is worth what it costs.

    Slots open when the last of the trials that others work on has ended, or when one of them was given back or failed.

    Args:
        store: the study's trials.
    """

    def __init__(self, store: TrialStore) -> None:
        self._store = store
        self._running: set[int] = set()
        self._due = 0.0

    def is_worth_a_look(self) -> bool:
        """Whether slots may have opened since the last look, or somebody may have died in the meantime."""
        now, frontier = time.monotonic(), self._store.frontier()
        if frontier is None:
            return True
        states = {frontier.get(number) for number in self._running}
        none_failed = states <= {TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED}
        if TrialState.RUNNING in states and none_failed and now < self._due:
            return False
        self._running = {number for number, state in frontier.items() if state == TrialState.RUNNING}
        self._due = now + LOOK_SECONDS
        return True

    def look_again(self) -> None:
        """Have the next look be worth it: slots are open."""
        self._due = 0.0


def _poll(attempt: Callable[[], T | None], on_wait: Callable[[], None]) -> T:
    """Try until there is a result, ever less often: the wait is never longer than needed by more than a twentieth."""
    begin = time.monotonic()
    while (result := attempt()) is None:
        on_wait()
        time.sleep(min(0.005 + (time.monotonic() - begin) / 20, 1.0))
    return result
