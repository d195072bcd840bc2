"""Optuna's storage proxy in a process of its own."""

import multiprocessing
import socket
import time
from contextlib import suppress
from typing import Any

import optuna

from glo_lightning.search.storage.open import open_storage

PROCESSES = multiprocessing.get_context("forkserver")


def serve(url: str, port: int) -> None:
    """Be Optuna's storage proxy."""
    optuna.storages.run_grpc_proxy_server(open_storage(url), port=port)


def start_proxy(url: str, port: int) -> Any:
    """Return the process of a proxy that listens."""
    proxy = PROCESSES.Process(target=serve, args=(url, port))
    proxy.start()
    while proxy.is_alive():
        with suppress(OSError), socket.create_connection(("localhost", port)):
            return proxy
        time.sleep(0.05)
    raise AssertionError("the proxy ended")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port
