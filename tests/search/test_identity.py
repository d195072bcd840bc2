"""A study belongs to its weights and its data: others of the same shape are another search."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, WeightedRandomSampler

from glo_lightning.data import CorruptedDataModule
from glo_lightning.errors import StudyError
from glo_lightning.search import LossSearch
from glo_lightning.search.storage.study import DIGESTS, FINGERPRINT
from glo_lightning.training.checks.contents import digest_of
from glo_lightning.training.checks.splits import look_at_splits
from glo_lightning.training.task import python_task
from tests.search.toy import TRAINER, ToyData, ToyModel

INPUTS = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(3, (96,), generator=torch.Generator().manual_seed(1))
OTHERS = torch.randint(3, (96,), generator=torch.Generator().manual_seed(2))


def loaders(inputs: Tensor = INPUTS, labels: Tensor = LABELS) -> dict[str, DataLoader[Any]]:
    parts = {"train": slice(0, 48), "val": slice(48, 96)}
    return {
        f"{name}_dataloaders": DataLoader(TensorDataset(inputs[part], labels[part]), 16, shuffle=name == "train")
        for name, part in parts.items()
    }


def search(
    folder: Path, model: Any = ToyModel, datamodule: Any = None, start_from: Any = "scratch", **data: Any
) -> Any:
    settings = LossSearch(
        generations=1, population_size=4, invariant="none", finalists=1, finalist_seeds=1, comparison_seeds=0,
        study_name="same", output_dir=folder, verbosity="quiet",
    )  # fmt: skip
    if datamodule is None:
        data = data or loaders()
    return settings.run(model, datamodule, TRAINER, start_from=start_from, **data)


def model(seed: int) -> LightningModule:
    torch.manual_seed(seed)
    return ToyModel()


def test_other_weights_to_start_from_are_another_search(tmp_path: Path) -> None:
    study = search(tmp_path, model(0), start_from="weights").study
    again = search(tmp_path, model(0), start_from="weights").study
    assert len(again.trials) == len(study.trials) == 4
    with pytest.raises(
        StudyError, match=r"weights '\w+'.*Use the earlier weights to continue it, or another study_name"
    ):
        search(tmp_path, model(1), start_from="weights")


@pytest.mark.parametrize(
    "others", [{"labels": OTHERS}, {"inputs": 2.0 * INPUTS}, {"inputs": INPUTS.flip(0), "labels": LABELS.flip(0)}]
)
def test_other_data_of_the_same_size_are_another_search(others: dict[str, Tensor], tmp_path: Path) -> None:
    search(tmp_path)
    assert len(search(tmp_path).study.trials) == 4
    with pytest.raises(StudyError, match=r"training samples '\w+', validation samples '\w+'.*earlier data"):
        search(tmp_path, **loaders(**others))


def test_other_noise_in_the_labels_is_another_search(tmp_path: Path) -> None:
    for _ in range(2):
        search(tmp_path, datamodule=CorruptedDataModule(ToyData(), label_noise=0.4))
    with pytest.raises(StudyError, match="training samples"):
        search(tmp_path, datamodule=CorruptedDataModule(ToyData(), label_noise=0.4, seed=1))


def test_a_study_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    study = search(tmp_path, model(0), start_from="weights").study
    fingerprint = study.user_attrs[FINGERPRINT]
    assert fingerprint.keys() >= DIGESTS
    study.set_user_attr(FINGERPRINT, {name: value for name, value in fingerprint.items() if name not in DIGESTS})
    assert len(search(tmp_path, model(1), start_from="weights").study.trials) == 4


class Samples(Dataset[Any]):
    """Makes samples of their number."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 96

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def contents(make: Callable[[int], Any], **given: Any) -> Any:
    samples = Samples(make)
    datasets = [Subset(samples, range(48)), Subset(samples, range(48, 96))]
    task = python_task(ToyModel, [DataLoader(each, 16, **given) for each in datasets], TRAINER)
    return look_at_splits(task, "val_accuracy", tested=False).contents


def augmented(index: int) -> Tensor:
    return INPUTS[index] + random.random() + float(np.random.rand()) + torch.rand(4)


def test_augmentation_does_not_make_the_same_data_others() -> None:
    found = contents(lambda index: (augmented(index), int(LABELS[index])))
    assert found.keys() == {"training samples", "validation samples"}
    assert found == contents(lambda index: (augmented(index), LABELS[index]))
    assert found == contents(lambda index: {"image": augmented(index), "label": LABELS[index].numpy()})
    assert found != contents(lambda index: (augmented(index), OTHERS[index]))
    weighted = contents(lambda index: (index, LABELS[index]), sampler=WeightedRandomSampler([1.0] * 48, 48))
    assert weighted.keys() == found.keys()


def test_targets_that_differ_in_their_last_bits_are_the_same() -> None:
    def targets(change: float) -> Any:
        return contents(lambda index: (INPUTS[index], change * INPUTS[index, :2]))

    assert targets(1.0) == targets(1.0 + 1e-7)
    assert targets(1.0) != targets(1.1)
    centred = INPUTS - INPUTS.mean(0) + torch.tensor([0.0, 0.0, 0.0, 1.0])
    constant = [torch.cat([centred, torch.full((96, 1), error)], 1) for error in (0.0, 1e-9, -1e-8)]
    digests = {digest_of([DataLoader(TensorDataset(each, LABELS))], 0) for each in constant}
    assert len(digests) == 1, "what is zero but for rounding"


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        raise AssertionError("read")


@pytest.mark.parametrize(
    "make",
    [
        lambda index: (INPUTS[index], random.random()),
        lambda index: INPUTS[index],
        lambda index: (INPUTS[index], {"boxes": INPUTS[index]}),
        lambda index: (INPUTS[index], "a word"),
        lambda index: {"image": INPUTS[index]},
    ],
)
def test_data_that_cannot_be_told_are_left_out(make: Callable[[int], Any]) -> None:
    assert contents(make) == {}


def test_no_stream_is_read() -> None:
    assert digest_of([DataLoader(Stream(), 16)], 0) == ""
    assert digest_of([[INPUTS]], 0) == ""


def test_reading_leaves_the_data_as_they_were() -> None:
    class Opening(Dataset[Any]):
        file: Any = None

        def __len__(self) -> int:
            return 96

        def __getitem__(self, index: int) -> Any:
            self.file = "open"
            return INPUTS[index], LABELS[index]

    dataset, generator = Opening(), torch.Generator().manual_seed(4)
    before = generator.get_state()
    loader = DataLoader(Subset(dataset, range(40)), 16, shuffle=True, generator=generator)
    assert digest_of([loader], 0) == digest_of([loader], 1) != ""
    assert dataset.file is None
    assert torch.equal(generator.get_state(), before)
