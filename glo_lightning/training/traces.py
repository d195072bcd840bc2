"""Leave no trace: what trainings set for a whole process is afterwards as it was before."""

import logging
import os
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from lightning.pytorch import LightningDataModule

from glo_lightning.data.corrupted import tensors_of
from glo_lightning.training.generators import generators_seeded
from glo_lightning.training.kept_memory import freed_memory_kept

VARIABLES = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG")
"""Environment variables that Lightning sets: by seeding, and for deterministic trainings."""

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric", "glo_lightning.callbacks", "optuna")


@contextmanager
def no_trace() -> Iterator[None]:
    """Put back, however the block or function ends, what trainings set for the whole process.

    These are the working directory; the random states of Python, NumPy and torch, GPUs in use included, and the
    variables that seed Lightning; the switches for deterministic algorithms, threads and gradients; the levels of
    loggers and the filters of warnings. Within the block, freed memory is kept.
    """
    with ExitStack() as stack:
        stack.enter_context(freed_memory_kept())
        stack.enter_context(random_numbers_kept())
        stack.enter_context(warnings.catch_warnings())
        stack.callback(os.chdir, os.getcwd())
        stack.callback(_set_variables, {name: os.environ.get(name) for name in VARIABLES})
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(
            torch.use_deterministic_algorithms,
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        for switch in ("deterministic", "benchmark"):
            stack.callback(setattr, torch.backends.cudnn, switch, getattr(torch.backends.cudnn, switch))
        for logger in map(logging.getLogger, LOGGERS):
            stack.callback(logger.setLevel, logger.level)
        yield


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Put the random states of Python, NumPy and torch back."""
    python, numpy = random.getstate(), np.random.get_state()
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def ordered_by(seed: int, datamodule: LightningDataModule) -> Iterator[None]:
    """Let a seed order and augment training data, whatever seed or generators their data module has."""
    with ExitStack() as stack:
        stack.enter_context(generators_seeded(datamodule, seed))
        data = tensors_of(datamodule)
        if data is not None:
            stack.callback(setattr, data, "seed", data.seed)
            data.seed = seed
        yield


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
