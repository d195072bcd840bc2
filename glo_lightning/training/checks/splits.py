"""Refuse data on which somebody is tested on what was trained on: splits that overlap, or that change."""

import copy
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lightning.pytorch import LightningDataModule

from glo_lightning.errors import DataError, GloError
from glo_lightning.training.checks.contents import digest_of
from glo_lightning.training.checks.loaders import flat, monitored, require_test_loaders
from glo_lightning.training.checks.samples import Samples, Shared, UnknownError
from glo_lightning.training.generators import seed_globally
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.traces import ordered_by, random_numbers_kept

NAMES = {"train": "training", "val": "validation", "test": "test"}

REPEAT = (
    "Draw the split once, in __init__, or with a seed of its own: "
    "random_split(data, lengths, generator=torch.Generator().manual_seed(0))."
)
KEEP = (
    "Let setup begin with what stays as it is: self.train, self.val = random_split(self.data, lengths), not "
    "random_split(self.train, lengths); self.x = self.data / 255, not self.x /= 255. What it draws needs a seed."
)
DIVIDE = "Divide the data into disjoint parts, as random_split(data, lengths) does."


@dataclass(frozen=True)
class Findings:
    """What was found about splits.

    Args:
        doubt: what could not be known, in one line, or nothing.
        contents: digests of a few training and validation samples, ``"training samples"`` for one; of those that are
            the same under other random numbers.
    """

    doubt: str
    contents: Mapping[str, str] = field(default_factory=dict)


def check_splits(task: Task, monitor: str, tested: bool) -> str:
    """Look at splits, and return what could not be known, in one line, or nothing; see :func:`look_at_splits`."""
    return look_at_splits(task, monitor, tested).doubt


def look_at_splits(task: Task, monitor: str, tested: bool) -> Findings:
    """Set the data up twice, under different random numbers, and look whether splits share samples, or change.

    Every training sets the data up anew, and so does a test: a split that is drawn there without a seed of its own is
    another one each time, and what is tested on has been trained on; and a setup that goes on from what the one before
    has made gives every training other data. Samples are told by their places in a data set, or else by their contents;
    nothing is measured on them.

    Args:
        task: whose data a Trainer has prepared.
        monitor: name of the validation metric; of several validation loaders, it says which one counts.
        tested: whether the test split will be used, too.

    Returns:
        What could not be known, and what tells these data from others.

    Raises:
        DataError: if training, validation and test data share samples, or change, or there is nothing to test on.
    """
    data = copy.copy(task.datamodule)  # what it sets up stays with the copy
    try:
        with random_numbers_kept(), quiet_lightning():
            setups = [_serve(task, data, monitor, tested, seed) for seed in (0, 1)]
            first, second = setups
            if _changed(first, second):  # by random numbers, which may choose training data; or because setup goes on
                changed = _changed(first, _serve(task, data, monitor, tested, seed=0))
                if changed:
                    raise DataError(
                        f"the same {NAMES[changed[0]]} samples whenever setup is called under the same seed",
                        "others the next time",
                        KEEP,
                    )
            doubt = _compare([each.samples for each in setups])
            known = first.contents.items() & second.contents.items()
            return Findings(doubt, {name: digest for name, digest in sorted(known) if digest})
    except GloError:
        raise
    except Exception as error:  # a data module need not be made to be set up without a Trainer
        return Findings(_doubt(f"{type(error).__name__}: {error}"))


@dataclass(frozen=True)
class _Setup:
    """The samples of every split, one entry per loader, and digests of the contents of some."""

    samples: dict[str, list[Samples]]
    contents: dict[str, str]


def _serve(task: Task, data: LightningDataModule, monitor: str, tested: bool, seed: int) -> _Setup:
    """Set every split up under the same random numbers."""
    with ordered_by(seed, data):
        return _set_up(task, data, monitor, tested, seed)


def _set_up(task: Task, data: LightningDataModule, monitor: str, tested: bool, seed: int) -> _Setup:
    seed_globally(seed)
    data.setup("fit")
    validation = flat(data.val_dataloader())
    loaders = {"train": flat(data.train_dataloader()), "val": monitored(validation, monitor)}
    # Before samples are read for comparison, which is under the same random numbers each time.
    contents = {f"{NAMES[name]} samples": digest_of(own, seed) for name, own in loaders.items()}
    served = {name: [Samples(loader) for loader in own] for name, own in loaders.items()}
    data.teardown("fit")
    if tested:
        seed_globally(seed)
        data.setup("test")
        test = flat(data.test_dataloader())
        require_test_loaders(validation, test, monitor, task.build_trainer([], {}), data)
        served["test"] = [Samples(loader) for loader in monitored(test, monitor)]
        data.teardown("test")
    return _Setup(served, contents)


def _changed(earlier: _Setup, now: _Setup) -> list[str]:
    """Return the splits of which another setup serves other samples."""
    return [
        split
        for split, samples in now.samples.items()
        if len(samples) != len(earlier.samples[split])
        or any(one.changed_from(two) for one, two in zip(samples, earlier.samples[split], strict=True))
    ]


def _compare(setups: list[dict[str, list[Samples]]]) -> str:
    doubt = ""
    for first, second in itertools.product(setups, repeat=2):
        for seen, unseen in itertools.combinations(first, 2):
            try:
                shared = _shared(first[seen], second[unseen])
            except UnknownError as error:
                doubt = doubt or _doubt(str(error))
                continue
            if shared is not None:
                raise _overlap(seen, unseen, shared, is_same_setup=first is second)
    first, second = setups
    for split in sorted(first.keys() - {"train"}):
        if any(one.differs_from(two) for one, two in zip(first[split], second[split], strict=True)):
            raise DataError(
                f"the same {NAMES[split]} samples whenever setup is called", "others the second time", REPEAT
            )
    return doubt


def _shared(seen: list[Samples], unseen: list[Samples]) -> Shared | None:
    """Return what loaders of two splits share, unless one loader of the second serves samples of its own."""
    shared = [next((found for one in seen if (found := one.shared_with(other))), None) for other in unseen]
    return shared[0] if shared and all(shared) else None


def _overlap(seen: str, unseen: str, shared: Shared, is_same_setup: bool) -> DataError:
    repeated = "" if is_same_setup else " that another call of setup returns"
    return DataError(
        f"{NAMES[unseen]} samples apart from the {NAMES[seen]} samples{repeated}",
        f"{shared} that are among them",
        DIVIDE if is_same_setup else REPEAT,
    )


def _doubt(reason: str) -> str:
    """Say it in words that are the same in every process: a search is known by them, too."""
    reason = re.sub(r" at 0x[0-9a-f]+", "", " ".join(reason.split()))
    return f"Whether training, validation and test data share samples cannot be known: {reason}."
