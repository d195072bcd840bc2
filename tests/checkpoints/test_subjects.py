"""Models from checkpoints, and images from data modules."""

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from glo_lightning.checkpoints.settings import CheckpointSettings
from glo_lightning.checkpoints.subjects import draw_images, gather, load_checkpoint, name_checkpoints
from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.losses import TaylorLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.task import Task, python_task
from tests.search.toy import ToyData, ToyModel

CPU = {"accelerator": "cpu"}


def _task(hidden: tuple[int, ...] = (64,)) -> Task:
    return python_task(lambda: Classifier(mlp(hidden=hidden)), DigitsDataModule(), CPU)


def test_weights_and_images_arrive(checkpoints: list[str]) -> None:
    subjects = gather(_task(), CheckpointSettings(checkpoints=tuple(checkpoints), num_images=100, seed=3))
    assert list(subjects.models) == ["cross_entropy", "baikal"]
    assert subjects.num_images == 100
    stored = torch.load(checkpoints[1], weights_only=True)["state_dict"]
    model = subjects.models["baikal"]
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    assert not model.training


def test_images_are_a_draw_from_the_split_that_the_seed_fixes() -> None:
    data = DigitsDataModule()
    (everything,), (drawn,), (again,), (other,) = (
        draw_images(data, "val", number, seed) for number, seed in ((10_000, 0), (50, 0), (50, 0), (50, 1))
    )
    assert torch.equal(everything[0], data.val_tensors[0])
    assert torch.equal(everything[1], data.val_tensors[1])
    assert torch.equal(drawn[0], again[0])
    assert not torch.equal(drawn[0], other[0])
    pixels = {tuple(image.flatten().tolist()) for image in everything[0]}
    assert {tuple(image.flatten().tolist()) for image in drawn[0]} < pixels
    assert len(draw_images(data, "test", 10_000, 0)[0][0]) == 359


def test_plain_state_dicts_load_whatever_the_loss_was(tmp_path: Path) -> None:
    model = Classifier(mlp())
    model.loss_fn = TaylorLoss([0.1] * 8)
    torch.save(model.state_dict(), tmp_path / "plain.pt")
    loaded = load_checkpoint(_task(), tmp_path / "plain.pt")
    assert torch.equal(loaded.network[1].weight, model.network[1].weight)


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", argparse.Namespace(a=1), [1], {"state_dict": {}}, {"a": 1}, {1: torch.zeros(1)}]
)
def test_what_is_no_checkpoint_is_refused_and_nothing_in_it_runs(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "bad.ckpt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(SettingsError, match="a checkpoint"):
        load_checkpoint(_task(), file)
    with pytest.raises(SettingsError, match="which is none"):
        load_checkpoint(_task(), tmp_path / "missing.ckpt")


def test_a_packed_checkpoint_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save(Classifier(mlp()).state_dict(), tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in members.items():
            bomb.writestr(name, content)
    assert torch.load(tmp_path / "bomb.pt", weights_only=True).keys()  # torch would unpack it, however large it gets
    with pytest.raises(SettingsError, match="grows when it is unpacked"):
        load_checkpoint(_task(), tmp_path / "bomb.pt")


@pytest.mark.parametrize("hidden", [(32,), (64, 64), ()])
def test_another_architecture_is_refused_in_one_line(checkpoints: list[str], hidden: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="which does not fit") as refusal:
        load_checkpoint(_task(hidden), Path(checkpoints[0]))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600


def test_the_end_of_a_diverged_training_is_refused(tmp_path: Path) -> None:
    state = Classifier(mlp()).state_dict()
    state["network.1.bias"][3] = float("nan")
    torch.save(state, tmp_path / "diverged.pt")
    with pytest.raises(ModelError, match="diverged"):
        load_checkpoint(_task(), tmp_path / "diverged.pt")


def test_a_module_without_forward_is_refused(tmp_path: Path) -> None:
    torch.save(ToyModel().state_dict(), tmp_path / "toy.pt")
    with pytest.raises(ModelError, match="forward"):
        load_checkpoint(python_task(ToyModel, ToyData(), CPU), tmp_path / "toy.pt")


class _Binary(Classifier):
    """One logit for each image."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, 0]


class _Narrow(Classifier):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, :1]


@pytest.mark.parametrize("kind", [_Binary, _Narrow])
def test_models_without_a_logit_per_class_are_refused(kind: type[Classifier], tmp_path: Path) -> None:
    model = kind(mlp())
    torch.save(model.state_dict(), tmp_path / "binary.pt")
    task = python_task(lambda: kind(mlp()), DigitsDataModule(), CPU)
    with pytest.raises(ModelError, match=r"logits of shape \(N, C, ...\).*outputs of shape \(2.*compare"):
        gather(task, CheckpointSettings(checkpoints=(str(tmp_path / "binary.pt"),)))


def test_names_tell_checkpoints_apart() -> None:
    assert list(name_checkpoints(["a/one.ckpt", "a/two.ckpt", "a/one.ckpt"])) == ["one", "two"]
    assert list(name_checkpoints(["a/b/last.ckpt", "a/c/last.ckpt"])) == ["b", "c"]
    assert list(name_checkpoints(["a/last.ckpt", "a/best.ckpt", "b/last.ckpt"])) == [
        "a/last.ckpt", "a/best.ckpt", "b/last.ckpt"
    ]  # fmt: skip


class _Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(())


class _Odd(DigitsDataModule):
    """Serves something else than one loader of examples."""

    def __init__(self, loader: Any) -> None:
        super().__init__()
        self.loader = loader

    def test_dataloader(self) -> Any:
        return self.loader


@pytest.mark.parametrize(
    "loader",
    [[], DataLoader(_Stream()), DataLoader([{"image": torch.zeros(1)}]), DataLoader([(torch.zeros(1), torch.ones(1))])],
)
def test_data_that_cannot_be_drawn_from_is_refused(loader: Any) -> None:
    with pytest.raises(DataError):
        draw_images(_Odd(loader), "test", 10, 0)


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"num_images": 0}, {"seed": -1}):
        with pytest.raises(SettingsError):
            CheckpointSettings(**wrong)
    with pytest.raises(SettingsError, match="at least one checkpoint"):
        gather(_task(), CheckpointSettings())
