"""Within a block freed memory is kept for the next tensor; after it all is as usual."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest
import torch

from glo_lightning.training import kept_memory
from glo_lightning.training.kept_memory import freed_memory_kept, return_freed_memory

MIB = 1 << 20

pytestmark = pytest.mark.skipif(kept_memory._glibc() is None, reason="only glibc can be told to keep memory")


def faults(work: Callable[[], object]) -> int:
    """Return how many pages the system had to fetch."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def steps() -> None:
    for _ in range(10):
        torch.ones(64 * MIB // 4)


PAGES = 10 * 64 * MIB // resource.getpagesize()


def test_only_within_the_block_memory_is_fetched_once() -> None:
    assert faults(steps) > PAGES / 2
    with freed_memory_kept():
        steps()
        assert faults(steps) < PAGES / 20
    assert faults(steps) > PAGES / 2


def test_the_end_of_the_last_block_counts() -> None:
    with freed_memory_kept():
        with freed_memory_kept():
            steps()
        assert faults(steps) < PAGES / 20


def test_a_block_that_fails_ends_as_well() -> None:
    with pytest.raises(ZeroDivisionError), freed_memory_kept():
        _ = 1 / 0
    assert faults(steps) > PAGES / 2


@pytest.mark.parametrize("end", ["block", "call"])
def test_what_is_kept_is_given_back(end: str) -> None:
    process = psutil.Process()
    with freed_memory_kept():
        tensors = [torch.ones(MIB // 4) for _ in range(256)]
        after = torch.ones(1)  # lies above them, so that the heap cannot just shrink
        del tensors
        full = process.memory_info().rss
        if end == "call":
            return_freed_memory()
            assert process.memory_info().rss < full - 128 * MIB
    assert process.memory_info().rss < full - 128 * MIB
    assert after.item() == 1.0


@pytest.mark.parametrize("variable", ["MALLOC_MMAP_THRESHOLD_=1000000", "LD_PRELOAD="])
def test_who_chose_how_memory_is_managed_keeps_that(variable: str) -> None:
    name, _, value = variable.partition("=")
    code = "from glo_lightning.training import kept_memory; print(kept_memory._glibc())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, name: value}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
