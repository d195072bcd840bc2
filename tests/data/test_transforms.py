import pytest
import torch
from torchvision.transforms import v2

from glo_lightning.data import Augmentation
from glo_lightning.data.transforms import cutout, random_crop, random_flip, to_inputs
from glo_lightning.errors import DataError

IMAGES = torch.randint(1, 256, (200, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_inputs_are_torchvisions():
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    expected = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])(IMAGES)
    torch.testing.assert_close(to_inputs(IMAGES, mean, std), expected)


def test_crops_are_shifted_images_with_black_borders():
    cropped, padding = random_crop(IMAGES, 2), 2
    shifts = []
    for image, crop in zip(IMAGES, cropped, strict=True):
        padded = v2.functional.pad(image, [padding])
        matches = [
            (row, column)
            for row in range(2 * padding + 1)
            for column in range(2 * padding + 1)
            if torch.equal(v2.functional.crop(padded, row, column, 9, 7), crop)
        ]
        assert len(matches) == 1
        shifts += matches
    assert len(set(shifts)) == 25
    assert cropped.dtype == torch.uint8


def test_half_of_the_images_are_mirrored():
    flipped = random_flip(IMAGES)
    mirrored = [torch.equal(new, old.flip(-1)) for new, old in zip(flipped, IMAGES, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(flipped, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 70 < sum(mirrored) < 130


def test_cutout_clears_one_square_about_a_pixel():
    cleared = cutout(torch.ones(500, 3, 9, 7), 4) == 0
    assert torch.equal(cleared[:, 0], cleared[:, 2])
    rows, columns = cleared[:, 0].any(2), cleared[:, 0].any(1)
    assert torch.equal(cleared[:, 0], rows.unsqueeze(2) & columns.unsqueeze(1))
    for sides in (rows, columns):
        assert set(sides.sum(1).tolist()) == {2, 3, 4}
        assert (sides.diff(dim=1).sum(1) <= 2).all()
        assert sides.any(0).all()


@pytest.mark.parametrize("options", [{"cutmix": 1.0}, {"mixup": 0.4}], ids=str)
def test_mixing_touches_its_share_of_batches_and_keeps_labels_distributions(options):
    augment = Augmentation(**options, mix_probability=0.5)
    inputs, target = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 3, 4, 0])
    touched = 0
    for _ in range(200):
        mixed, labels = augment.inputs(inputs, target, num_classes=5)
        if labels.ndim == 1:
            assert mixed is inputs
            continue
        touched += 1
        assert labels.shape == (6, 5)
        torch.testing.assert_close(labels.sum(1), torch.ones(6))
    assert 70 < touched < 130


def test_cutmix_labels_are_the_shares_of_the_pixels():
    augment = Augmentation(cutmix=1.0, mix_probability=1.0)
    constant = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    mixed, labels = augment.inputs(constant, torch.arange(4), num_classes=4)
    for image, label in zip(mixed, labels, strict=True):
        shares = torch.tensor([(image == value).float().mean() for value in range(4)])
        torch.testing.assert_close(label, shares)


@pytest.mark.parametrize(
    "options",
    [
        {"crop_padding": -1},
        {"cutout": -1},
        {"cutmix": -0.1},
        {"mixup": -1.0},
        {"cutmix": 1.0, "mixup": 1.0},
        {"mix_probability": 0.0},
        {"mix_probability": 1.1},
    ],
    ids=str,
)
def test_bad_settings_are_refused(options):
    with pytest.raises(DataError):
        Augmentation(**options)
