"""Worker processes on this machine, watched and restarted."""

import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from glo_lightning import errors
from glo_lightning.errors import GloError, SettingsError, StudyError
from glo_lightning.search.workers.interruption import deferred_interrupts
from glo_lightning.search.workers.process import FAREWELL_SECONDS, Message, participate

_logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5

SERVER_DIED = 255
"""Exit code by which multiprocessing says that nobody knows, because the process that workers are forked from died."""


@dataclass(frozen=True)
class DeadWorker:
    """A worker that died, and how.

    Args:
        leader: id of the process that held the worker's candidates.
        reason: why.
        blame: whether its candidate is at fault, because a rank that trained it crashed.
    """

    leader: int
    reason: str
    blame: bool


class LocalLauncher:
    """Runs the same work in several processes, or groups of processes, and restarts those that die.

    Processes are forked from a server that has imported everything and started nothing, so they are up at once and
    share memory, yet have neither CUDA nor threads of this process. When one dies, the rest of its group is killed and
    the group starts again. A worker that ends with an error it can explain ends the search, because the others would
    meet it, too.

    Args:
        work: called in every process; it and all it refers to must be importable.
        environments: environment variables of each worker; their number is the number of workers.
        ranks: processes per worker, which train together.
        on_death: told of every dead worker before it is started again; may raise to give up.
        on_kill: told of the leader of every worker that had to be killed because it did not end when it was asked to.
    """

    def __init__(
        self,
        work: Callable[[], None],
        environments: Sequence[Mapping[str, str]],
        ranks: int = 1,
        on_death: Callable[[DeadWorker], None] = lambda dead: None,
        on_kill: Callable[[int], None] = lambda leader: None,
    ) -> None:
        self.groups = [_Group(work, environment, ranks) for environment in environments]
        self.on_death = on_death
        self.on_kill = on_kill

    def run(self, poll: Callable[[], None] = lambda: None) -> None:
        """Start the workers and return when all have finished.

        Args:
            poll: called about twice a second.

        Raises:
            GloError: what a worker raised.
            SettingsError: if the work cannot be sent to another process.
            KeyboardInterrupt: after Ctrl-C, once every worker has ended.
        """
        try:
            resource_tracker.ensure_running()  # it would unblock Ctrl-C
            with deferred_interrupts():
                _start_server()
                for group in self.groups:
                    group.start()
            while any(group.members for group in self.groups):
                wait([waitable for group in self.groups for waitable in group.waitables()], POLL_SECONDS)
                for group in self.groups:
                    dead = group.check()
                    if dead is not None:
                        _logger.warning("A worker died (%s) and is started again.", dead.reason)
                        self.on_death(dead)
                        with deferred_interrupts():
                            group.start()
                poll()
        finally:
            self._stop()

    def _stop(self) -> None:
        """Let leaders give their candidates back, then end what is left."""
        leaders = [group.members[0] for group in self.groups if group.members]
        for leader in leaders:
            leader.interrupt()
        for leader in leaders:
            leader.process.join(FAREWELL_SECONDS)
            leader.hear_out()
        late = [leader.process.pid for leader in leaders if leader.process.exitcode is None]
        for group in self.groups:
            group.kill()
        for pid in late:
            if pid is not None:
                self.on_kill(pid)


class _Group:
    """The processes of one worker: the first leads, the others train with it."""

    def __init__(self, work: Callable[[], None], environment: Mapping[str, str], ranks: int) -> None:
        self.work = work
        self.environment = environment
        self.ranks = ranks
        self.members: list[_Member] = []

    def start(self) -> None:
        """Start all processes."""
        port = _free_port()
        for rank in range(self.ranks):
            together = _rank_environment(rank, self.ranks, port) if self.ranks > 1 else {}
            self.members.append(_Member(self.work, {**self.environment, **together}, follows=rank > 0))

    def waitables(self) -> list[Connection | int]:
        """Return what becomes ready when a process says something or ends."""
        return [waitable for member in self.members for waitable in member.waitables()]

    def check(self) -> DeadWorker | None:
        """See whether everyone lives; if not, kill the rest.

        Raises:
            GloError: what a process refused to go on with.
            SettingsError: if the work did not survive the way into another process.
        """
        ends = [end for member in self.members if (end := member.end()) is not None]
        if not ends:
            if all(member.process.exitcode == 0 for member in self.members):
                self.members = []
            return None
        leader = self.members[0].process.pid
        assert leader is not None
        self.kill()
        return DeadWorker(leader, *ends[0])

    def kill(self) -> None:
        """End all processes at once."""
        for member in self.members:
            member.process.kill()
        for member in self.members:
            member.process.join()
        self.members = []


class _Member:
    """One process."""

    def __init__(self, work: Callable[[], None], environment: Mapping[str, str], follows: bool) -> None:
        context = multiprocessing.get_context("forkserver")
        self.pipe, pipe = context.Pipe(duplex=False)
        self.process = context.Process(target=participate, args=(work, environment, pipe, follows))
        self.follows = follows
        self._open = True
        self._started = False
        self._crash: str | None = None
        _start(self.process)
        pipe.close()

    def waitables(self) -> list[Connection | int]:
        """Return what becomes ready when the process says something or ends."""
        waitables: list[Connection | int] = [self.pipe] if self._open else []
        if self.process.exitcode is None:
            waitables.append(self.process.sentinel)
        return waitables

    def end(self) -> tuple[str, bool] | None:
        """Return why the process ended and whether its candidate is to blame; None if all is well."""
        exit_code = self.process.exitcode  # read before its last words
        self._listen()
        if self._crash is not None:
            return self._crash, self.follows
        if not exit_code:
            return None
        if exit_code < 0:
            return f"signal {signal.Signals(-exit_code).name}", False
        if not self._started and exit_code != SERVER_DIED:
            raise SettingsError(
                "a search that other processes can import, because several work together",
                "one that they could not, as said above",
                "Define model and data in a module; begin a script with if __name__ == '__main__':, or use the "
                "command line.",
            )
        return f"exit code {exit_code}", False

    def hear_out(self) -> None:
        """Hear what the process said, whatever its end was."""
        with suppress(GloError):
            self._listen()

    def interrupt(self) -> None:
        """Do what Ctrl-C does; what has not begun has nothing to give back."""
        self.hear_out()
        if not self._started:
            self.process.kill()
        elif self.process.exitcode is None and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGINT)

    def _listen(self) -> None:
        while self._open and self.pipe.poll():
            try:
                message = Message.receive(self.pipe)
            except EOFError:
                self._open = False
                return
            if message.kind == "logged":
                message.log()
                continue
            if message.kind == "refused":
                raise getattr(errors, message.name, GloError)(*message.parts)
            self._started = True
            if message.kind == "crashed":
                (self._crash,) = message.parts


def _start_server() -> None:
    """Start what processes are forked from; Ctrl-C is not for it, nor for them until they have work to give back."""
    multiprocessing.set_forkserver_preload(["glo_lightning.search.workers.preload"])
    forkserver.ensure_running()


def _start(process: BaseProcess) -> None:
    try:
        process.start()
    except (EOFError, ConnectionError) as error:
        raise StudyError(
            "a process to fork workers from",
            "one that was killed",
            "Look for a lack of memory, or for what killed it; finished candidates are kept.",
        ) from error
    except Exception as error:
        # Whatever cannot be pickled raises an error of its own kind: PicklingError, TypeError, AttributeError.
        raise SettingsError(
            "a model and data that can be sent to other processes, because several work together",
            f"{type(error).__name__}: {error}",
            "Define them in a module and pass the class rather than a lambda, or use the command line.",
        ) from error


def _rank_environment(rank: int, ranks: int, port: int) -> dict[str, str]:
    return {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Inside a SLURM job, Lightning would take the ranks from there; this is how to tell it not to.
        "SLURM_JOB_NAME": "interactive",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
