import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import DataError


def all_splits(data):
    test = tuple(torch.cat(part) for part in zip(*data.test_dataloader(), strict=True))
    return data.train_tensors, data.val_tensors, test


def test_splits_hold_every_image_once():
    inputs = torch.cat([inputs for inputs, _ in all_splits(DigitsDataModule())])
    targets = torch.cat([targets for _, targets in all_splits(DigitsDataModule())])
    pixels, digits = load_digits(return_X_y=True)
    got = sorted((*image, label) for image, label in zip(inputs.flatten(1).tolist(), targets.tolist(), strict=True))
    assert got == sorted((*image, label) for image, label in zip((pixels / 16).tolist(), digits, strict=True))


def test_splits_are_stratified():
    whole = torch.bincount(torch.from_numpy(load_digits().target), minlength=10) / 1797
    for _, targets in all_splits(DigitsDataModule()):
        share = torch.bincount(targets, minlength=10) / len(targets)
        assert (share - whole).abs().max() < 0.004


def test_the_split_follows_its_own_seed():
    first, again, other = DigitsDataModule(seed=1), DigitsDataModule(seed=2), DigitsDataModule(split_seed=1)
    assert torch.equal(first.val_tensors[0], again.val_tensors[0])
    assert not torch.equal(first.val_tensors[0], other.val_tensors[0])


def test_images_are_what_networks_take():
    data = DigitsDataModule()
    inputs, targets = data.train_tensors
    assert inputs.shape[1:] == data.input_shape == (1, 8, 8)
    assert inputs.dtype == torch.float32
    assert (inputs.min(), inputs.max()) == (0.0, 1.0)
    assert targets.dtype == torch.int64
    assert int(targets.max()) == data.num_classes - 1


@settings(max_examples=25)
@given(validation=st.floats(-1, 2), test=st.floats(-1, 2))
def test_any_fractions_split_or_are_refused(validation, test):
    try:
        data = DigitsDataModule(validation_fraction=validation, test_fraction=test)
        data.setup()
    except DataError:
        return
    assert sum(len(targets) for _, targets in all_splits(data)) == 1797
