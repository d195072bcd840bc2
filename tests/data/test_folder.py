import numpy as np
import pytest
import torch
from PIL import Image

from glo_lightning.data import CorruptedDataModule, FolderDataModule
from glo_lightning.errors import DataError

rng = np.random.default_rng(0)


def write_images(folder, classes=("cat", "dog"), per_class=10, size=(12, 10)):
    for label in classes:
        (folder / label).mkdir(parents=True)
        for index in range(per_class):
            pixels = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{index}.png")


@pytest.fixture
def root(tmp_path):
    write_images(tmp_path / "train")
    write_images(tmp_path / "test", per_class=3)
    return tmp_path


def test_images_are_decoded_once_each(root):
    data = FolderDataModule(str(root), num_classes=2, input_shape=(3, 12, 10), num_val=5)
    (train, train_labels), (val, val_labels) = data.train_tensors, data.val_tensors
    assert (train.shape, val.shape) == ((15, 3, 12, 10), (5, 3, 12, 10))
    got = {image.numpy().tobytes(): int(label) for image, label in zip(
        torch.cat([train, val]), torch.cat([train_labels, val_labels]), strict=True
    )}  # fmt: skip
    expected = {
        np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes(): ["cat", "dog"].index(path.parent.name)
        for path in root.glob("train/*/*.png")
    }
    assert got == expected
    assert len(torch.cat([labels for _, labels in data.test_dataloader()])) == 6


def test_inputs_are_standardised_by_the_training_images(root):
    data = FolderDataModule(str(root), num_classes=2, input_shape=(3, 12, 10))
    inputs, _ = data.evaluation_batch(data.train_tensors)
    torch.testing.assert_close(inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)


def test_images_with_wrong_labels_are_standardised_alike(root):
    plain = FolderDataModule(str(root), num_classes=2, input_shape=(3, 12, 10))
    corrupted = CorruptedDataModule(plain, label_noise=0.5).tensor_data
    inputs, _ = corrupted.evaluation_batch(corrupted.train_tensors)
    expected, _ = plain.evaluation_batch(plain.train_tensors)
    torch.testing.assert_close(inputs, expected)


def test_images_are_resized_and_made_grey_where_asked(root):
    assert FolderDataModule(str(root), 2, input_shape=(1, 8, 8)).train_tensors[0].shape == (18, 1, 8, 8)


def test_a_validation_folder_is_used_where_there_is_one(root):
    write_images(root / "val", per_class=2)
    data = FolderDataModule(str(root), 2)
    assert (len(data.train_tensors[1]), len(data.val_tensors[1])) == (20, 4)
    assert data.train_tensors[1].tolist() != sorted(data.train_tensors[1].tolist())


def refusal(root, **options):
    with pytest.raises(DataError) as caught:
        FolderDataModule(str(root), **{"num_classes": 2, **options}).setup("fit")
    return str(caught.value)


def test_unusable_folders_are_refused(root, tmp_path):
    assert "one folder per class" in refusal(tmp_path / "nowhere")
    assert "Expected 3 classes" in refusal(root, num_classes=3)
    assert "1 to 19" in refusal(root, num_val=20)
    assert "1 or 3 channels" in refusal(root, input_shape=(2, 8, 8))
    write_images(root / "val", classes=("cat", "mouse"))
    assert "the same sub-folders" in refusal(root)
