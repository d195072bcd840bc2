"""Workers as tasks of a Ray cluster, which starts them again when a node dies."""

import signal
import threading
from collections.abc import Callable
from typing import Any

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.options import option
from glo_lightning.search.workers.process import FAREWELL_SECONDS

MAX_RETRIES = 100
"""Times Ray starts a task again whose process or node died."""

POLL_SECONDS = 0.5


class RayLauncher:
    """Runs the same work in several Ray tasks.

    Connects to the cluster that RAY_ADDRESS names or that runs on this machine, or else starts one here. Every node
    must be able to import what the work refers to, and to reach the storage of the study. Where the cluster has no
    room for all tasks at once, the others wait. What they log stays in Ray's own logs.

    Args:
        work: called in every task.
        workers: number of tasks.
        cpus: CPU cores of each.
        gpus: GPUs of each; with a fraction, several share one.
        one_machine: whether the work uses a file that only this machine has.
    """

    def __init__(
        self, work: Callable[[], None], workers: int, cpus: int, gpus: float = 0.0, one_machine: bool = False
    ) -> None:
        self.work = work
        self.workers = workers
        self.cpus = cpus
        self.gpus = gpus
        self.one_machine = one_machine

    def run(self, poll: Callable[[], None] = lambda: None) -> None:
        """Start the tasks and return when all have finished.

        Args:
            poll: called about twice a second.

        Raises:
            GloError: what a worker raised.
            EnvironmentMismatchError: if Ray is not installed.
            SettingsError: if no node of its cluster has room for a worker.
            KeyboardInterrupt: after Ctrl-C, once the workers have given their candidates back.
        """
        require_extra("ray", option("launcher", "ray"))
        import ray

        joins = ray.is_initialized()
        if not joins:
            connect(ray)
        try:
            self._check_room(ray)
            self._run(ray, poll)
        finally:
            if not joins:
                ray.shutdown()

    def _run(self, ray: Any, poll: Callable[[], None]) -> None:
        task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=MAX_RETRIES)(_call)
        pending = [task.remote(self.work) for _ in range(self.workers)]
        try:
            while pending:
                finished, pending = ray.wait(pending, timeout=POLL_SECONDS)
                for result in finished:
                    _raise_if_failed(ray, result)
                poll()
        finally:
            for result in pending:
                ray.cancel(result)
            if pending:
                ray.wait(pending, num_returns=len(pending), timeout=FAREWELL_SECONDS)

    def _check_room(self, ray: Any) -> None:
        alive = [node for node in ray.nodes() if node["Alive"]]
        if self.one_machine and len({node["NodeManagerAddress"] for node in alive}) > 1:
            raise SettingsError(
                "a storage that all machines of the Ray cluster reach",
                "SQLite, a file on one of them",
                f"Use {option('storage', 'postgresql://USER@HOST/DATABASE')}, or a journal on a shared disk.",
            )
        nodes = [node["Resources"] for node in alive]
        if not any(node.get("CPU", 0) >= self.cpus and node.get("GPU", 0) >= self.gpus for node in nodes):
            raise SettingsError(
                f"a Ray node with {self.cpus} CPUs and {self.gpus:g} GPUs",
                "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes),
                f"Set {option('threads')} and {option('worker_gpus')} to what a node has.",
            )


def connect(ray: Any, address: str | None = None) -> None:
    """Join a cluster or start one, and leave SIGTERM its meaning: Ray would end this process by it at once.

    Args:
        ray: the module.
        address: of the cluster; by default that of RAY_ADDRESS or of this machine.
    """
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, log_to_driver=False)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _call(work: Callable[[], None]) -> None:
    work()


def _raise_if_failed(ray: Any, result: Any) -> None:
    try:
        ray.get(result)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, GloError):
            raise error.cause from None
        raise
