"""Worker processes on this machine, watched and restarted."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from glo_lightning import errors
from glo_lightning.errors import GloError, SettingsError, StudyError

MAX_RESTARTS = 10
"""Times one worker may die, by a signal or a lack of memory, before the search gives up."""

POLL_SECONDS = 0.5


class LocalLauncher:
    """Runs the same work in several processes and restarts the ones that die.

    A worker that ends with an error it can explain ends the search, because the others would meet it too. Ctrl-C
    reaches every worker, which gives its candidates back and ends.

    Args:
        work: called in every process with the worker's number; must be importable, as must all it refers to.
        devices: what CUDA_VISIBLE_DEVICES is in each worker; its length is the number of workers.
        threads: CPU threads of each worker.
    """

    def __init__(self, work: Callable[[int], None], devices: Sequence[str | None], threads: int) -> None:
        self.work = work
        self.devices = devices
        self.threads = threads
        # CUDA does not survive a fork, and neither do the threads of torch and SQLite.
        self._context = multiprocessing.get_context("spawn")

    def run(self, poll: Callable[[], None] = lambda: None) -> None:
        """Start the workers and return when all have finished.

        Args:
            poll: called about twice a second, for progress.

        Raises:
            GloError: what a worker raised.
            StudyError: if a worker died too often.
            SettingsError: if the work cannot be sent to another process.
            KeyboardInterrupt: after Ctrl-C, once every worker has ended.
        """
        workers = {number: self._start(number) for number in range(len(self.devices))}
        deaths = dict.fromkeys(workers, 0)
        try:
            while workers:
                time.sleep(POLL_SECONDS)
                for number, (process, explanation) in list(workers.items()):
                    if process.is_alive():
                        continue
                    _raise_if_explained(explanation)
                    del workers[number]
                    if process.exitcode == 0:
                        continue
                    deaths[number] += 1
                    if deaths[number] > MAX_RESTARTS:
                        raise StudyError(
                            f"worker {number} to live",
                            f"{deaths[number]} deaths, the last with exit code {process.exitcode}",
                            "Look for a lack of memory; finished candidates are kept.",
                        )
                    sys.stderr.write(f"worker {number} died with exit code {process.exitcode}; starting it again\n")
                    workers[number] = self._start(number)
                poll()
        finally:
            _stop([process for process, _ in workers.values()])

    def _start(self, number: int) -> tuple[BaseProcess, Connection]:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_run_worker, args=(self.work, number, sender, os.getpid()), name=f"worker-{number}", daemon=True
        )
        environment = {"OMP_NUM_THREADS": str(self.threads)}
        visible = self.devices[number]
        if visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        with _environment(environment):
            try:
                process.start()
            except (AttributeError, TypeError, ImportError, OSError) as error:
                raise _not_importable(error) from error
            except Exception as error:
                if type(error).__name__ != "PicklingError":
                    raise
                raise _not_importable(error) from error
        sender.close()
        return process, receiver


def _not_importable(error: Exception) -> SettingsError:
    return SettingsError(
        "a model and data that other processes can import, because there are several workers",
        str(error),
        "Define them in a module and pass the class, use the command line, or search with one worker.",
    )


def _run_worker(work: Callable[[int], None], number: int, explain: Connection, parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        work(number)
    except GloError as error:
        explain.send((type(error).__name__, error.expected, error.got, error.cure))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with(parent: int) -> None:
    """Interrupt this worker when its parent is gone, so that no orphan goes on searching."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGINT)


def _raise_if_explained(explanation: Connection) -> None:
    try:
        kind, *parts = explanation.recv() if explanation.poll() else ("",)
    except EOFError:
        return
    if kind:
        raise getattr(errors, kind)(*parts)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Interrupt what still runs; Ctrl-C in a terminal has usually done so already."""
    for process in processes:
        process.join(timeout=1.0)
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(timeout=20.0)
        if process.is_alive():
            process.kill()


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
