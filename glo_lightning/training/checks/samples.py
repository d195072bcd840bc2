"""Tell which samples a data loader serves, without serving them: by their places in a data set, or their contents."""

import copy
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

Places = NDArray[np.int64]

MAX_CONTENTS = 2_000
"""Samples of a loader that are read, spread evenly."""

MAX_SECONDS = 0.5
"""Time to read samples of one loader; those read by then must do."""

CHANCE = 0.05
"""Share of samples that may be found among others beyond twice the share that has a twin among its own."""

SPOTS, SPOT_SECONDS = 50, 0.1
"""How many samples of a loader are read, spread evenly, to compare them with later ones; and the time for it."""

NUMBERS, ENTRIES = 1_000, 100
"""How many numbers of a tensor, or entries of a list, describe it; spread evenly."""


class UnknownError(Exception):
    """Which samples these are cannot be known, for the reason given."""


@dataclass(frozen=True)
class Shared:
    """Samples that two loaders have in common.

    Args:
        count: how many.
        among: of how many of the second loader's that were looked at.
    """

    count: int
    among: int

    def __str__(self) -> str:
        return f"{self.count} of {self.among}"


class Samples:
    """The samples that a data loader serves, if it is a DataLoader over a data set with indices.

    Args:
        loader: of which nothing is asked but its data set and the indices its sampler chooses from.
    """

    def __init__(self, loader: Any) -> None:
        self._parts: list[tuple[Any, Places]] = []
        self._places: dict[str, Places] = {}
        self._unknown = ""
        try:
            self._parts = _roots(loader.dataset, chosen(loader)) if isinstance(loader, DataLoader) else _none(loader)
        except UnknownError as error:
            self._unknown = str(error)
        for root, places in self._parts:
            name = _name(root)
            self._places[name] = np.union1d(places, self._places.get(name, places[:0]))
        self._size = sum(len(places) for _, places in self._parts)
        self._loader = loader
        self._spots = self._read_spots()

    def shared_with(self, other: "Samples") -> Shared | None:
        """Return which of another loader's samples are among these; None if there are none.

        Raises:
            UnknownError: if that cannot be told.
        """
        for each in (self, other):
            if each._unknown:
                raise UnknownError(each._unknown)
        common = self._places.keys() & other._places.keys()
        places = sum(len(np.intersect1d(self._places[name], other._places[name])) for name in common)
        if places or self._places.keys() == other._places.keys():
            return Shared(places, sum(map(len, other._places.values()))) if places else None
        seen, known = other.contents, Counter(self.contents)
        if not seen or not known:
            return None
        found = sum(each in known for each in seen)
        read = len(self.contents) / self._size
        twins = sum(count for count in known.values() if count > 1) / len(self.contents)
        by_chance = max(2.0, len(seen) * (2 * twins + CHANCE * read))
        return Shared(found, len(seen)) if found > by_chance else None

    def differs_from(self, other: "Samples") -> bool:
        """Whether these are certainly other samples: other places in the same data sets."""
        return self._places.keys() == other._places.keys() and any(
            not np.array_equal(places, other._places[name]) for name, places in self._places.items()
        )

    def changed_from(self, earlier: "Samples") -> bool:
        """Whether other samples are served than were earlier, as far as can be known."""
        if self._unknown or earlier._unknown:
            return False
        if self._size != earlier._size or self.differs_from(earlier):
            return True
        if all(now == then for now, then in zip(self._spots, earlier._spots, strict=False)):
            return False
        again = zip(self._spots, self._read_spots(), strict=False)
        return all(one == two for one, two in again)  # samples that change by themselves tell nothing

    def _read_spots(self) -> list[bytes]:
        """Return digests of some samples, whole and as they are served; none if they cannot be read."""
        found: list[bytes] = []
        if self._unknown:
            return found
        started = time.process_time()
        try:
            places, reader = chosen(self._loader), private_copy(self._loader.dataset)
            for place in places[strided(len(places), SPOTS)].tolist():
                found.append(_read(reader, place, whole=True))
                if time.process_time() - started > SPOT_SECONDS:
                    break
        except Exception:  # whatever it is, they need not be plain data, nor copied
            return []
        return found

    @cached_property
    def contents(self) -> list[bytes]:
        """Digests of the inputs of some samples.

        Raises:
            UnknownError: if they are others each time, or cannot be read.
        """
        sizes = [len(places) for _, places in self._parts]
        wanted = strided(self._size, MAX_CONTENTS)
        found: list[bytes] = []
        started, first = time.process_time(), 0
        for (root, places), size in zip(self._parts, sizes, strict=True):
            reader = copy.copy(root)  # what it opens to read, processes that load data must open for themselves
            for place in places[wanted[(wanted >= first) & (wanted < first + size)] - first].tolist():
                found.append(_read(reader, place))
                if len(found) == 1 and found != [_read(reader, place)]:
                    raise UnknownError(f"{type(root).__name__} gives another sample each time")
                if time.process_time() - started > MAX_SECONDS:
                    return found
            first += size
        return found


def _none(loader: Any) -> NoReturn:
    raise UnknownError(f"{type(loader).__name__} is no DataLoader")


def chosen(loader: DataLoader[Any]) -> Places:
    """Return the indices that a loader's sampler chooses from.

    Raises:
        UnknownError: if that cannot be told.
    """
    dataset, sampler, batches = loader.dataset, loader.sampler, loader.batch_sampler
    indices = getattr(sampler, "indices", None)
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise UnknownError(f"{type(dataset).__name__} has no indices")
    if type(batches) not in (BatchSampler, type(None)):
        raise UnknownError(f"{type(batches).__name__} chooses them")
    if isinstance(indices, Sequence | Tensor | np.ndarray):
        return np.asarray(indices, dtype=np.int64)
    if not isinstance(sampler, SequentialSampler | RandomSampler | DistributedSampler):
        raise UnknownError(f"{type(sampler).__name__} chooses them")
    return np.arange(len(dataset), dtype=np.int64)


def _roots(dataset: Any, places: Places) -> list[tuple[Any, Places]]:
    """Follow subsets, concatenations and wrappers down to the data sets that samples come from."""
    if isinstance(dataset, Subset):
        return _roots(dataset.dataset, np.asarray(dataset.indices, dtype=np.int64)[places])
    if isinstance(dataset, ConcatDataset):
        ends = np.asarray(dataset.cumulative_sizes)
        which, starts = np.searchsorted(ends, places, side="right"), np.concatenate([[0], ends[:-1]])
        parts = ((part, places[which == k] - starts[k]) for k, part in enumerate(dataset.datasets))
        return [root for part, own in parts if len(own) for root in _roots(part, own)]
    inner: list[Any] = [value for value in _attributes(dataset).values() if isinstance(value, Dataset)]
    if len(inner) == 1 and hasattr(inner[0], "__len__") and len(inner[0]) == len(dataset):
        return _roots(inner[0], places)  # what wraps it changes samples, by transforms for one
    return [(dataset, places)]


def _attributes(dataset: Any) -> dict[str, Any]:
    """Return what a data set holds, but for functions, which transforms are."""
    return {name: value for name, value in getattr(dataset, "__dict__", {}).items() if not callable(value)}


def _name(root: Any) -> str:
    """Name a data set: by what it holds, if that tells its samples apart; else by the object that it is."""
    with suppress(UnknownError):
        held = _attributes(root)
        if any(_is_per_sample(value, len(root)) for value in held.values()):
            return f"{type(root).__qualname__} {_description(held)}"
    return f"{type(root).__qualname__} {id(root)}"


def _is_per_sample(value: Any, size: int) -> bool:
    if isinstance(value, tuple) and value and all(isinstance(each, Tensor | np.ndarray) for each in value):
        value = value[0]
    return isinstance(value, Tensor | np.ndarray | list | tuple) and len(value) == size > 0


def _description(value: Any, depth: int = 4) -> str:
    """Describe a value so that equal values have equal descriptions, in every copy.

    Raises:
        UnknownError: if it is more than plain data.
    """
    if isinstance(value, Tensor | np.ndarray):
        flat = value.reshape(-1)
        return f"{value.dtype} {tuple(value.shape)} {_digest(flat[strided(len(flat), NUMBERS)]).hex()}"
    if value is None or isinstance(value, str | bytes | int | float | complex | Path):
        return repr(value)
    if depth and isinstance(value, list | tuple):
        return f"{len(value)} [{', '.join(_description(value[k], depth - 1) for k in strided(len(value), ENTRIES))}]"
    if depth and isinstance(value, Mapping):
        return str({repr(key): _description(each, depth - 1) for key, each in value.items()})
    if depth and isinstance(value, Dataset):
        return f"{type(value).__qualname__} {_description(_attributes(value), depth - 1)}"
    raise UnknownError(f"{type(value).__name__} is no plain data")


def strided(size: int, most: int) -> Places:
    """Return places among so many, spread evenly."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(np.int64)) if size else np.arange(0)


def private_copy(dataset: Any, depth: int = 4) -> Any:
    """Copy a data set and those in it: what they open to read, processes that load data must open for themselves."""
    own = copy.copy(dataset)
    for name, value in getattr(own, "__dict__", {}).items() if depth else ():
        if isinstance(value, Dataset):
            vars(own)[name] = private_copy(value, depth - 1)
        elif isinstance(value, list) and any(isinstance(each, Dataset) for each in value[:1]):  # of a ConcatDataset
            vars(own)[name] = [private_copy(each, depth - 1) for each in value]
    return own


def _read(root: Any, place: int, whole: bool = False) -> bytes:
    """Return a digest of a sample or its inputs, as they are under the same random numbers each time."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)
    try:
        sample = root[place]
        return _digest(sample[0] if isinstance(sample, tuple | list) and sample and not whole else sample)
    except UnknownError:
        raise
    except Exception as error:
        raise UnknownError(f"{type(root).__name__} raises {type(error).__name__}: {error}") from error


def _digest(value: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    _feed(value, digest.update)
    return digest.digest()


def _feed(value: Any, update: Callable[[bytes], None]) -> None:
    """Feed a value to a digest.

    Raises:
        UnknownError: if it has no plain contents.
    """
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous().view(torch.uint8).numpy() if value.ndim else value.item()
    if isinstance(value, np.ndarray):
        update(np.ascontiguousarray(value).tobytes() if value.dtype != object else repr(value.tolist()).encode())
    elif isinstance(value, Mapping):
        for key, each in value.items():
            update(repr(key).encode())
            _feed(each, update)
    elif isinstance(value, list | tuple):
        for each in value:
            _feed(each, update)
    elif value is None or isinstance(value, str | bytes | int | float | complex | np.generic):
        update(repr(value).encode())
    elif hasattr(value, "tobytes"):  # an image of PIL
        update(value.tobytes())
    else:
        raise UnknownError(f"{type(value).__name__} is no plain data")
