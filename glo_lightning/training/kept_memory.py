"""Freed memory is kept for the next tensor.

Tensors of a training come and go at every step, in the same sizes. The C library of Linux hands the large ones back to
the system, which fetches and clears them anew, page by page: on a CPU that can take as long as the training itself.
"""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""What can be set, by the numbers of malloc.h."""

KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}
"""All memory comes from the heap, and none of the heap is given back."""

USUAL = {M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 1 << 25, M_TRIM_THRESHOLD: 1 << 26}
"""What the C library comes to by itself in a process that has freed large tensors."""

OWN_CHOICES = ("LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
"""Environment variables by which somebody has chosen how memory is managed."""

_lock = Lock()
_users = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed within the block, and give it back to the system after it.

    Does nothing without glibc, and where the environment chooses how memory is managed.

    Example:
        >>> with freed_memory_kept():
        ...     pass  # train
    """
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def return_freed_memory() -> None:
    """Give what is kept back now."""
    if library := _glibc():
        library.malloc_trim(0)


def _count(change: int) -> None:
    """Keep memory from the first block that asks for it to the end of the last one."""
    global _users
    library = _glibc()
    if library is None:
        return
    with _lock:
        before, _users = _users, _users + change
        if (before == 0) != (_users == 0):
            for what, value in (KEEPING if _users else USUAL).items():
                library.mallopt(what, value)
            if not _users:
                library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in OWN_CHOICES):
        return None
    return ctypes.CDLL(None)
