"""Random generators that users hold in their data follow the seed of each training, and are put back after it."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

HOLDERS = (LightningDataModule, DataLoader, Dataset, Sampler)
"""What is looked into; likewise objects that can be called, as transforms are."""

PLAIN_CALLABLES = (type, FunctionType, BuiltinFunctionType)


@contextmanager
def generators_seeded(held: object, seed: int) -> Iterator[None]:
    """Seed the generators of Python, NumPy and torch that data hold; else a training goes on where another ended.

    Args:
        held: a data module, and in it loaders, their samplers, their data sets and their transforms.
        seed: of the training, 0 or more.

    Example:
        >>> loader = DataLoader([1, 2, 3], shuffle=True, generator=torch.Generator())
        >>> orders = []
        >>> for _ in range(2):
        ...     with generators_seeded(loader, 7):
        ...         orders.append([int(batch) for batch in loader])
        >>> orders[0] == orders[1]
        True
    """
    with ExitStack() as stack:
        for generator in find_generators(held):
            stack.callback(_putting_back(generator))
            _seed(generator, seed)
        yield


def seed_globally(seed: int) -> None:
    """Seed Python, NumPy, and torch on all devices."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_generators(held: object, seed: int) -> None:
    """Seed the generators that data hold, as :func:`generators_seeded` does, for good."""
    for generator in find_generators(held):
        _seed(generator, seed)


def _seed(generator: Any, seed: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    elif isinstance(generator, random.Random):
        generator.seed(seed)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(seed % 2**32)
    else:
        bits = generator.bit_generator
        bits.state = type(bits)(seed).state


def _putting_back(generator: Any) -> Callable[[], None]:
    """Return what puts a generator's present state back."""
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        return partial(setattr, bits, "state", bits.state)
    return partial(generator.set_state, generator.get_state())


def find_generators(held: object) -> list[Any]:
    """Return the generators in a data module, its loaders, samplers, data sets and transforms, each once."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = [held]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.Generator | random.Random | np.random.RandomState | np.random.Generator):
            found[id(each)] = each
        elif isinstance(each, partial):
            waiting += [each.func, each.args, each.keywords]
        elif isinstance(each, MethodType):
            waiting.append(each.__self__)
        elif isinstance(each, HOLDERS) or (callable(each) and not isinstance(each, PLAIN_CALLABLES)):
            waiting += getattr(each, "__dict__", {}).values()
        elif isinstance(each, list | tuple) and len(each) < 100:  # of loaders, not of samples
            waiting += each
        elif isinstance(each, dict) and len(each) < 100:
            waiting += each.values()
    return list(found.values())
