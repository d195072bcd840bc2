"""Splits that overlap or change are refused, however they are made; those that do not are not."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    random_split,
)

from glo_lightning.data import CorruptedDataModule, DigitsDataModule, StandInDataModule
from glo_lightning.errors import DataError
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.checks.splits import DIVIDE, KEEP, REPEAT, check_splits
from glo_lightning.training.task import python_task
from tests.search.toy import ToyData

INPUTS = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(120) % 3
SIZES = [60, 30, 30]


def tensors(indices: Any = slice(None)) -> TensorDataset:
    return TensorDataset(INPUTS[indices], LABELS[indices])


class Augmented(Dataset[tuple[Tensor, int]]):
    """Samples with random noise, unless told otherwise."""

    def __init__(self, noise: float, inputs: Tensor = INPUTS) -> None:
        self.inputs, self.noise = inputs, nn.Dropout(noise)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.noise(self.inputs[index]), int(LABELS[index])


class Opaque(Dataset[tuple[Tensor, int]]):
    """Holds its samples where nobody sees them; may change them as it reads."""

    def __init__(self, samples: Any, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        self.read = lambda index: (change(samples[index][0]), samples[index][1])
        self.size = len(samples)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.read(index)


class Transformed(Dataset[tuple[Tensor, int]]):
    """The usual wrapper around a subset."""

    def __init__(self, subset: Any, transform: Callable[[Tensor], Tensor]) -> None:
        self.subset, self.transform = subset, transform

    def __len__(self) -> int:
        return len(self.subset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        inputs, label = self.subset[index]
        return self.transform(inputs), label


def noise(inputs: Tensor) -> Tensor:
    return inputs + torch.randn(4)


class Data(LightningDataModule):
    """Serves what a function returns: a data set or loader per split, made anew in every setup or once for all."""

    def __init__(self, make: Callable[[], Any], anew: bool = True) -> None:
        super().__init__()
        self.make, self.anew = make, anew
        self.parts = None if anew else make()
        self.stages: list[str] = []

    def setup(self, stage: str) -> None:
        self.stages.append(stage)
        if self.anew:
            self.parts = self.make()

    def teardown(self, stage: str) -> None:
        if self.anew:
            self.parts = None

    def loader(self, place: int) -> Any:
        served = self.parts[place]
        if isinstance(served, list):
            return [DataLoader(each, 16) for each in served]
        return served if isinstance(served, DataLoader) else DataLoader(served, 16)

    def train_dataloader(self) -> Any:
        return self.loader(0)

    def val_dataloader(self) -> Any:
        return self.loader(1)

    def test_dataloader(self) -> Any:
        return self.loader(2)


def check(data: LightningDataModule, monitor: str = "val_accuracy", tested: bool = True) -> str:
    task = python_task(lambda: Classifier(mlp()), data, {"accelerator": "cpu"})
    return check_splits(task, monitor, tested)


def thirds(order: Any) -> list[Any]:
    return [order[:60], order[60:90], order[90:]]


def shuffled_list() -> list[int]:
    order = list(range(120))
    random.shuffle(order)
    return order


def sampled(order: Tensor) -> list[DataLoader[Any]]:
    return [DataLoader(tensors(), 16, sampler=SubsetRandomSampler(part.tolist())) for part in thirds(order)]


def augmented(order: Tensor) -> list[Any]:
    parts = zip((0.5, 0.0, 0.0), thirds(order), strict=True)
    return [Subset(Augmented(rate), part.tolist()) for rate, part in parts]


def opaque(order: Tensor) -> list[Any]:
    return [Opaque(tensors(part)) for part in thirds(order)]


def wrapped(parts: list[Any]) -> list[Any]:
    return [Transformed(part, transform) for part, transform in zip(parts, (noise, abs, abs), strict=True)]


def concatenated(order: Tensor) -> list[Any]:
    both = ConcatDataset([tensors(slice(0, 50)), tensors(slice(50, 120))])
    return [Subset(both, part.tolist()) for part in thirds(order)]


def plain_list(order: Tensor) -> list[Any]:
    return [DataLoader([(INPUTS[k], int(LABELS[k])) for k in part.tolist()], 16) for part in thirds(order)]


def split_twice() -> list[Any]:
    rest, test = random_split(tensors(), [90, 30])
    return [*random_split(rest, [60, 30]), test]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


REDRAWN: dict[str, Callable[[], Any]] = {
    "random_split": lambda: random_split(tensors(), SIZES),
    "random_split twice": lambda: split_twice(),
    "permuted tensors": lambda: [tensors(part) for part in thirds(torch.randperm(120))],
    "numpy": lambda: [tensors(part) for part in thirds(np.random.permutation(120))],
    "python": lambda: [tensors(part) for part in thirds(shuffled_list())],
    "samplers": lambda: sampled(torch.randperm(120)),
    "two objects with transforms": lambda: augmented(torch.randperm(120)),
    "opaque": lambda: opaque(torch.randperm(120)),
    "wrapped": lambda: wrapped(random_split(tensors(), SIZES)),
    "concatenated": lambda: concatenated(torch.randperm(120)),
    "list": lambda: plain_list(torch.randperm(120)),
    "validation from a pool of its own": lambda: [
        tensors(slice(0, 60)), Subset(tensors(), (60 + torch.randperm(30)[:20]).tolist()), tensors(slice(90, 120)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("make", REDRAWN.values(), ids=REDRAWN)
def test_a_split_that_is_drawn_anew_in_every_setup_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(DataError) as caught:
        check(Data(make))
    assert caught.value.cure == REPEAT
    assert check(Data(make, anew=False)) == "", "drawn once, in __init__, it is the same"


def test_the_printed_cure_is_one() -> None:
    assert "random_split(data, lengths, generator=torch.Generator().manual_seed(0))" in REPEAT
    repeat = Data(lambda: random_split(tensors(), SIZES, generator=torch.Generator().manual_seed(0)))
    assert check(repeat) == ""
    assert "random_split(data, lengths)" in DIVIDE


def test_a_test_split_that_alone_is_drawn_anew_is_refused() -> None:
    class OnlyTest(Data):
        def test_dataloader(self) -> Any:
            return DataLoader(random_split(tensors(), [60, 60])[0], 16)

    fixed = OnlyTest(lambda: [tensors(slice(0, 60)), tensors(slice(60, 90)), None])
    with pytest.raises(DataError, match="test samples apart from the training samples"):
        check(fixed)
    fixed.stages.clear()
    assert check(fixed, tested=False) == ""
    assert fixed.stages == ["fit"] * 2, "what is not used is not opened"


class GoesOn(Data):
    """A data module whose setup does something to what it has, once for all or anew each time."""

    def __init__(self, go_on: Callable[[Any], None]) -> None:
        self.go_on, self.x = go_on, INPUTS.clone()
        super().__init__(lambda: None)

    def setup(self, stage: str) -> None:
        if self.parts is None:
            self.parts = [tensors(slice(0, 90)), None, tensors(slice(90, 120))]
        self.go_on(self)

    def teardown(self, stage: str) -> None:
        pass


def parts_of(x: Tensor, wrap: Callable[[Any], Any] = lambda data: data) -> list[Any]:
    return [wrap(TensorDataset(x[part], LABELS[part])) for part in thirds(torch.arange(120))]


def split_what_was_split(data: Any) -> None:
    lengths = [0.8, 0.2]
    data.parts[:2] = random_split(data.parts[0], lengths, generator=generator())


def scale_by_another_tensor(data: Any) -> None:
    data.x = data.x / 4
    data.parts = parts_of(data.x)


def scale_in_place(data: Any) -> None:
    data.x /= 4
    data.parts = parts_of(data.x)


def scale_out_of_sight(data: Any) -> None:
    data.x /= 4
    data.parts = parts_of(data.x, lambda part: Opaque(part))


def transform_what_was_transformed(data: Any) -> None:
    before = data.parts if data.parts[1] else parts_of(INPUTS)
    data.parts = [Transformed(part, lambda x: x / 4) for part in before]


def spoil_more_training_labels(data: Any) -> None:
    data.parts = parts_of(INPUTS)
    data.labels = (getattr(data, "labels", LABELS[:60]) + (torch.rand(60, generator=generator()) < 0.3)) % 3
    data.parts[0] = Opaque(TensorDataset(INPUTS[:60], data.labels))


def draw_without_a_seed(data: Any) -> None:
    data.parts = parts_of(INPUTS)
    chosen = np.random.default_rng().permutation(60)[:30].tolist()
    data.parts[0] = Subset(data.parts[0], chosen)


ACCUMULATING = [
    split_what_was_split, scale_by_another_tensor, scale_in_place, scale_out_of_sight, transform_what_was_transformed,
    spoil_more_training_labels, draw_without_a_seed,
]  # fmt: skip


@pytest.mark.parametrize("go_on", ACCUMULATING)
def test_a_setup_that_goes_on_from_what_it_has_made_is_refused(go_on: Callable[[Any], None]) -> None:
    with pytest.raises(DataError, match=r"the same training samples whenever setup is called under the same") as caught:
        check(GoesOn(go_on), tested=go_on is not draw_without_a_seed)
    assert caught.value.cure == KEEP


def test_the_printed_cure_of_a_setup_that_goes_on_is_one() -> None:
    def split(data: Any) -> None:
        data.parts[:2] = random_split(data.data, [0.8, 0.2], generator=generator())

    def scale(data: Any) -> None:
        data.x = data.data / 255
        data.parts = parts_of(data.x)

    assert "self.train, self.val = random_split(self.data, lengths), not" in KEEP
    assert "self.x = self.data / 255, not" in KEEP
    for data, go_on in ((tensors(slice(0, 90)), split), (INPUTS, scale)):
        cured = GoesOn(go_on)
        cured.data = data  # type: ignore[attr-defined]
        assert check(cured) == ""


def test_what_a_setup_makes_once_and_keeps_is_accepted() -> None:
    def once(data: Any) -> None:
        if not hasattr(data, "made"):
            data.made = random_split(tensors(), SIZES)
        data.parts = list(data.made)

    assert check(GoesOn(once)) == ""


class Everything(SequentialSampler):
    """A sampler like torch's."""


OVERLAPPING: dict[str, Callable[[], Any]] = {
    "all the same": lambda: [tensors()] * 3,
    "test is validation": lambda: [tensors(slice(0, 60)), tensors(slice(60, 120)), tensors(slice(60, 120))],
    "one sample": lambda: [Subset(tensors(), range(61)), Subset(tensors(), range(60, 90)), tensors(slice(90, 120))],
    "some contents": lambda: [tensors(slice(0, 70)), tensors(slice(60, 90)), tensors(slice(90, 120))],
    "validation is sampled": lambda: [
        tensors(), DataLoader(tensors(), 16, sampler=SubsetRandomSampler(range(60, 90))), Opaque(-INPUTS)
    ],
    "samplers": lambda: [
        DataLoader(tensors(), 16, sampler=sampler(tensors())) for sampler in (RandomSampler, Everything, Everything)
    ],
    "other transforms": lambda: [Augmented(0.5), Augmented(0.0), Augmented(0.0, INPUTS + 9.0)],
}  # fmt: skip


@pytest.mark.parametrize("anew", [True, False])
@pytest.mark.parametrize("make", OVERLAPPING.values(), ids=OVERLAPPING)
def test_splits_that_overlap_are_refused(make: Callable[[], Any], anew: bool) -> None:
    with pytest.raises(DataError) as caught:
        check(Data(make, anew))
    assert caught.value.cure == DIVIDE


def test_the_error_says_how_many_samples_are_shared() -> None:
    parts = [Subset(tensors(), range(70)), Subset(tensors(), range(60, 90)), Subset(tensors(), range(90, 120))]
    with pytest.raises(DataError, match=r"validation samples apart from the training samples, got 10 of 30 that are"):
        check(Data(lambda: parts))


APART: dict[str, Callable[[], Any]] = {
    "slices": lambda: [tensors(part) for part in thirds(torch.arange(120))],
    "seeded": lambda: random_split(tensors(), SIZES, generator=generator()),
    "seeded permutation": lambda: opaque(torch.randperm(120, generator=generator())),
    "seeded samplers": lambda: sampled(torch.randperm(120, generator=generator())),
    "seeded, with transforms": lambda: augmented(torch.randperm(120, generator=generator())),
    "seeded, wrapped": lambda: wrapped(random_split(tensors(), SIZES, generator=generator())),
    "training in another order": lambda: [
        tensors(torch.randperm(60)), tensors(slice(60, 90)), Subset(tensors(), range(90, 120))
    ],
    "a part of the training data": lambda: [
        Subset(tensors(), torch.randperm(60)[:30].tolist()), Subset(tensors(), range(60, 90)), tensors(slice(90, 120))
    ],
    "equal samples everywhere": lambda: [
        TensorDataset(torch.ones(size, 2), torch.arange(size) % 2) for size in (60, 30, 20)
    ],
    "few different samples": lambda: [
        TensorDataset(torch.arange(size).fmod(4).unsqueeze(1), torch.arange(size) % 2) for size in (60, 30, 20)
    ],
    "one duplicate": lambda: [
        tensors(slice(0, 60)), tensors([0, *range(60, 90)]), tensors(slice(90, 120))
    ],
    "the same labels": lambda: [
        Transformed(TensorDataset(inputs, LABELS), abs) for inputs in (INPUTS, INPUTS + 9.0, INPUTS - 9.0)
    ],
    "images": lambda: [
        Opaque([({"image": INPUTS[k].numpy(), "text": str(k)}, 0) for k in part.tolist()])
        for part in thirds(torch.arange(120))
    ],
}  # fmt: skip


@pytest.mark.parametrize("make", APART.values(), ids=APART)
def test_splits_that_are_apart_and_stay_are_accepted(make: Callable[[], Any]) -> None:
    assert check(Data(make)) == ""


@pytest.mark.parametrize(
    "data",
    [
        DigitsDataModule(), ToyData(), StandInDataModule("cifar10", num_images=64),
        CorruptedDataModule(DigitsDataModule(), label_noise=0.5),
        CorruptedDataModule(Data(APART["slices"]), label_noise=0.5, long_tail=4.0),
    ],
    ids=lambda data: type(data).__name__,
)  # fmt: skip
def test_our_own_data_are_accepted(data: LightningDataModule) -> None:
    assert check(data) == ""


def test_only_the_validation_loader_that_is_monitored_counts() -> None:
    both = Data(
        lambda: [tensors(slice(0, 60)), [tensors(slice(0, 60)), tensors(slice(60, 90))], tensors(slice(90, 120))]
    )
    assert check(both, "val_accuracy/dataloader_idx_1") == ""
    assert check(both, "val_accuracy") == "", "a metric that may be of the second loader alone"
    with pytest.raises(DataError, match=r"30 of 30|60 of 60"):
        check(both, "val_accuracy/dataloader_idx_0")


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from zip(INPUTS, LABELS, strict=True)


class Own(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        yield from range(30)

    def __len__(self) -> int:
        return 30


class OwnBatches(BatchSampler):
    pass


class Noise:
    """Noise of random numbers of its own."""

    def __init__(self, own: torch.Generator) -> None:
        self.own = own

    def __call__(self, inputs: Tensor) -> Tensor:
        return inputs + torch.randn(4, generator=self.own)


def unreadable(inputs: Tensor) -> Tensor:
    raise OSError("no such file")


UNKNOWN: dict[str, tuple[Callable[[], Any], str]] = {
    "stream": (lambda: Stream(), "Stream has no indices"),
    "sampler": (lambda: DataLoader(tensors(), 16, sampler=Own()), "Own chooses them"),
    "batches": (
        lambda: DataLoader(tensors(), batch_sampler=OwnBatches(Own(), 16, False)), "OwnBatches chooses them",
    ),
    "own random numbers": (
        lambda: Opaque(tensors(), Noise(generator())),
        "gives another sample each time",
    ),
    "files": (lambda: Opaque(tensors(), unreadable), "OSError: no such file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_known_is_said_in_a_line(make: Callable[[], Any], reason: str) -> None:
    doubt = check(Data(lambda: [make(), tensors(slice(60, 90)), tensors(slice(90, 120))]))
    assert doubt.startswith("Whether training, validation and test data share samples cannot be known: ")
    assert reason in doubt
    assert "\n" not in doubt
    with pytest.raises(DataError):  # what can be known is
        check(Data(lambda: [make(), tensors(slice(60, 120)), tensors(slice(90, 120))]))


def test_a_data_module_keeps_what_it_has_set_up() -> None:
    class Scaling(Data):
        def setup(self, stage: str) -> None:
            self.scale = getattr(self, "scale", 1.0) / 255
            super().setup(stage)

    data = Scaling(APART["slices"])
    data.setup("fit")
    parts = data.parts
    check(data)
    assert data.scale == 1.0 / 255
    assert data.parts is parts


def test_a_data_module_that_needs_a_trainer_is_left_alone() -> None:
    class Needy(Data):
        def setup(self, stage: str) -> None:
            assert self.trainer.world_size > 0
            super().setup(stage)

    assert "AttributeError" in check(Needy(APART["slices"]))


def test_what_a_data_set_opens_to_read_stays_closed_in_this_process() -> None:
    class Lazy(Opaque):
        file = None

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            self.file = self.file or "opened"
            return super().__getitem__(index)

    parts = [Lazy(tensors(part)) for part in thirds(torch.arange(120))]
    for wrap in (lambda part: part, lambda part: Subset(part, range(20)), lambda part: ConcatDataset([part])):
        wrapped = [wrap(part) for part in parts]
        assert check(Data(lambda wrapped=wrapped: wrapped)) == ""
        assert [part.file for part in parts] == [None] * 3


def test_random_numbers_are_as_before() -> None:
    def draw() -> list[float]:
        return [random.random(), np.random.rand(), float(torch.rand(()))]

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    expected = draw()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    check(Data(APART["images"]))
    with pytest.raises(DataError):
        check(Data(REDRAWN["numpy"]))
    assert draw() == expected
