"""torchvision's own readers on small files in the formats of the real ones."""

import pickle
import struct

import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from glo_lightning.data import Augmentation, VisionDataModule
from glo_lightning.errors import DataError
from glo_lightning.models import Classifier, small_cnn

rng = np.random.default_rng(0)


def write_mnist(root, name="MNIST"):
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for part, size in (("train", 60), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (size, 28, 28), np.uint8), np.arange(size, dtype=np.uint8) % 10
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, size, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, size) + labels.tobytes())


def write_cifar(root, folder, files, label_name):
    (root / folder).mkdir()
    for name, size in files:
        pixels, labels = rng.integers(0, 256, (size, 3072), np.uint8), [i % 10 for i in range(size)]
        (root / folder / name).write_bytes(pickle.dumps({"data": pixels, label_name: labels}))
    meta = {"label_names": list("abcdefghij"), "fine_label_names": list("abcdefghij")}
    for name in ("batches.meta", "meta"):
        (root / folder / name).write_bytes(pickle.dumps(meta))


def lean_trainer(**options):
    return Trainer(
        max_epochs=1,
        num_sanity_val_steps=0,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_mnist(tmp_path, "MNIST")
    write_mnist(tmp_path, "FashionMNIST")
    sets = torchvision.datasets
    write_cifar(tmp_path, "cifar-10-batches-py", [("train", 60), ("test", 10)], "labels")
    write_cifar(tmp_path, "cifar-100-python", [("train", 60), ("test", 10)], "fine_labels")
    for name in ("CIFAR10", "CIFAR100"):
        cifar = getattr(sets, name)
        monkeypatch.setattr(cifar, "train_list", [["train", None]])
        monkeypatch.setattr(cifar, "test_list", [["test", None]])
        monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": None})
    for part, size in (("train", 60), ("test", 10)):
        digits = {"X": rng.integers(0, 256, (32, 32, 3, size), np.uint8), "y": np.arange(1, size + 1)[:, None] % 10}
        digits["y"][digits["y"] == 0] = 10
        scipy.io.savemat(tmp_path / f"{part}_32x32.mat", digits)
    monkeypatch.setattr(sets.SVHN, "split_list", {part: ["", f"{part}_32x32.mat", None] for part in ("train", "test")})
    return tmp_path


DATASETS = pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"])
READERS = {
    "mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100", "svhn": "SVHN",
}  # fmt: skip


@DATASETS
def test_images_are_those_torchvision_shows(dataset, files):
    data = VisionDataModule(dataset, str(files), num_val=12)
    part = {"split": "train"} if dataset == "svhn" else {"train": True}
    shown = getattr(torchvision.datasets, READERS[dataset])(files, **part)
    order = np.random.RandomState(42).permutation(60)
    for (images, labels), chosen in ((data.train_tensors, order[:48]), (data.val_tensors, order[48:])):
        assert images.shape == (len(chosen), *data.input_shape)
        assert images.dtype == torch.uint8
        for image, label, index in zip(images, labels, chosen, strict=True):
            assert torch.equal(image, torchvision.transforms.v2.functional.pil_to_tensor(shown[index][0]))
            assert label == shown[index][1]


@DATASETS
def test_batches_are_normalised_on_the_way_to_the_network(dataset, files):
    class Recorder(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.trained, self.validated = nn.Linear(1, 1), [], []

        def training_step(self, batch, batch_idx):
            self.trained.append(batch)
            return self.layer.weight.sum()

        def validation_step(self, batch, batch_idx):
            self.validated.append(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data, module = VisionDataModule(dataset, str(files), num_val=12), Recorder()
    lean_trainer().fit(module, data)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (data.mean, data.std))
    images, labels = data.train_tensors
    order = data.train_order(0)
    torch.testing.assert_close(module.trained[0][0], (images[order] / 255 - mean) / std)
    assert torch.equal(module.trained[0][1], labels[order])
    images, labels = data.val_tensors
    for inputs, target in (*module.validated, *data.val_dataloader()):
        torch.testing.assert_close(inputs, (images / 255 - mean) / std)
        assert torch.equal(target, labels)


def test_batches_have_the_trainers_precision(files):
    module = Classifier(small_cnn(input_shape=(1, 28, 28)))
    data = VisionDataModule("mnist", str(files), num_val=12, augmentation=Augmentation(mixup=1.0, mix_probability=1.0))
    lean_trainer(precision="64-true").fit(module, data)
    assert next(module.parameters()).dtype == torch.float64


def test_a_fraction_of_the_training_images_is_part_of_any_larger_one(files):
    parts = {
        fraction: VisionDataModule("mnist", str(files), num_val=12, training_fraction=fraction).train_tensors[0]
        for fraction in (0.01, 0.5, 1.0)
    }
    assert [len(images) for images in parts.values()] == [1, 24, 48]
    assert torch.equal(parts[1.0][:24], parts[0.5])


def test_augmentation_depends_on_seed_and_step_and_leaves_other_random_numbers_alone(files):
    augmentation = Augmentation(crop_padding=4, flip=True, cutout=8, cutmix=1.0, mix_probability=1.0)
    data = VisionDataModule("cifar10", str(files), num_val=12, seed=3, augmentation=augmentation)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = data.training_batch(data.train_tensors, step=5)
    assert torch.equal(torch.rand(1), expected)
    assert first[1].shape == (48, 10)
    for (step, seed), same in (((5, None), True), ((5, 3), True), ((6, None), False), ((5, 4), False)):
        again = data.training_batch(data.train_tensors, step, seed)
        assert torch.equal(first[0], again[0]) is same
    plain = data.evaluation_batch(data.train_tensors)
    assert not torch.equal(plain[0], first[0])
    assert plain[1] is data.train_tensors[1]


@DATASETS
def test_missing_files_come_with_the_command_that_fetches_them(dataset, tmp_path):
    with pytest.raises(DataError) as caught:
        VisionDataModule(dataset, str(tmp_path)).setup("fit")
    assert f"VisionDataModule('{dataset}', '{tmp_path}', download=True).prepare_data()" in caught.value.cure


@pytest.mark.parametrize(
    "options",
    [{"dataset": "imagenet"}, {"dataset": "mnist", "training_fraction": 0.0}, {"dataset": "mnist", "batch_size": 0}],
    ids=str,
)
def test_bad_settings_are_refused(options):
    with pytest.raises(DataError):
        VisionDataModule(**options)


def test_a_validation_split_larger_than_the_set_is_refused(files):
    with pytest.raises(DataError, match="1 to 59"):
        VisionDataModule("mnist", str(files)).setup("fit")
