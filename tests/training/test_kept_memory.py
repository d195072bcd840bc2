"""Within a block freed memory is kept for the next tensor; after it all is as usual."""

import os
import resource
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
import torch

from glo_lightning.training import kept_memory
from glo_lightning.training.kept_memory import freed_memory_kept, return_freed_memory

MIB = 1 << 20

pytestmark = pytest.mark.skipif(kept_memory._glibc() is None, reason="only glibc can be told to keep memory")


STEPS = """
import resource
import torch
from contextlib import ExitStack
from glo_lightning.training.kept_memory import freed_memory_kept

def pages_fetched() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(1 << 24)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(pages_fetched())
with ExitStack() as blocks:
    for _ in range(BLOCKS):
        blocks.enter_context(freed_memory_kept())
    with freed_memory_kept():
        pages_fetched()
        inside = pages_fetched()
    print(pages_fetched() if BLOCKS else inside)
"""


@pytest.mark.parametrize("blocks", [0, 1], ids=["in the block", "in one around it"])
def test_memory_is_fetched_once(blocks: int) -> None:
    code = STEPS.replace("BLOCKS", str(blocks))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    usual, kept = map(int, done.stdout.split())
    pages = 10 * 64 * MIB // resource.getpagesize()
    assert usual > pages / 2
    assert kept < pages / 20


@pytest.mark.parametrize("end", ["block", "failure", "call"])
def test_what_is_kept_is_given_back(end: str) -> None:
    process = psutil.Process()
    with suppress(ZeroDivisionError), freed_memory_kept():
        tensors = [torch.ones(MIB // 4) for _ in range(256)]
        after = torch.ones(1)  # lies above them, so that the heap cannot just shrink
        del tensors
        full = process.memory_info().rss
        if end == "call":
            return_freed_memory()
            assert process.memory_info().rss < full - 128 * MIB
        if end == "failure":
            _ = 1 / 0
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
