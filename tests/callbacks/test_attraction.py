import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

from glo_lightning.callbacks import AttractionRecorder, LossInjection
from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss, Loss, TaylorLoss, named_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.theory import AttractionRecord, equilibrium_confidence, sample_attraction


def quiet_trainer(*callbacks: Callback, epochs: int = 3, **options: object) -> Trainer:
    settings = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu", **options}
    return Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )


def fit(
    loss: Loss, *callbacks: Callback, epochs: int = 3, own: nn.Module | None = None, **options: object
) -> tuple[Trainer, Classifier]:
    seed_everything(0, verbose=False)
    trainer, model = quiet_trainer(LossInjection(loss), *callbacks, epochs=epochs, **options), Classifier(mlp())
    model.loss_fn = own or model.loss_fn
    trainer.fit(model, DigitsDataModule())
    return trainer, model


def read(directory: Path) -> AttractionRecord:
    return AttractionRecord.read(directory / "attraction.npz")


def test_it_records_what_the_samples_are_and_feel(tmp_path: Path) -> None:
    loss = named_loss("taylorglo_1")
    _, model = fit(loss, AttractionRecorder(tmp_path, num_samples=200))
    record = read(tmp_path)
    inputs, target = DigitsDataModule().train_tensors
    assert record.epochs.tolist() == [0, 1, 2, 3]
    assert torch.equal(record.target, target[record.index])
    assert len(set(record.index.tolist())) == 200
    with torch.no_grad():
        logits = model(inputs[record.index])
    confidence = logits.softmax(-1)[torch.arange(200), record.target]
    torch.testing.assert_close(record.confidence[-1].float(), confidence, rtol=1e-3, atol=1e-3)
    expected = sample_attraction(loss, logits, record.target).float()
    torch.testing.assert_close(record.attraction[-1].float(), expected, rtol=1e-3, atol=1e-5)
    assert (tmp_path / "attraction.png").stat().st_size > 5_000


def test_cross_entropy_always_pulls_and_a_regularizing_loss_pushes_the_memorized_back(tmp_path: Path) -> None:
    fit(named_loss("cross_entropy"), AttractionRecorder(tmp_path / "plain", num_samples=300), epochs=8)
    assert bool((read(tmp_path / "plain").attraction >= 0.0).all())

    loss = named_loss("taylorglo_1")
    fit(loss, AttractionRecorder(tmp_path / "regularizing", num_samples=300), epochs=8)
    record = read(tmp_path / "regularizing")
    assert bool((record.attraction[0] > 0.0).all())
    boundary = equilibrium_confidence(loss, 10)
    memorized = record.confidence[-1].float() > boundary + 0.02
    assert memorized.sum() > 10
    assert bool((record.attraction[-1][memorized] < 0.0).all())


def test_recording_does_not_change_the_training(tmp_path: Path) -> None:
    def dropout_network() -> nn.Module:
        return mlp(dropout=0.3)

    def weights(*callbacks: Callback) -> torch.Tensor:
        seed_everything(0, verbose=False)
        model = Classifier(dropout_network())
        quiet_trainer(*callbacks).fit(model, DigitsDataModule())
        return nn.utils.parameters_to_vector(model.parameters())

    assert torch.equal(weights(AttractionRecorder(tmp_path)), weights())


@pytest.mark.parametrize("draw", [random.random, np.random.rand], ids=["python", "numpy"])
def test_data_that_draws_numbers_draws_the_same(tmp_path: Path, draw: Callable[[], float]) -> None:
    class Noisy(TensorDataset):
        def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
            drawn.append(draw())
            return super().__getitem__(index)

    def numbers(*callbacks: Callback) -> list[float]:
        seed_everything(0, verbose=False)
        drawn.clear()
        loader = DataLoader(Noisy(*DigitsDataModule().train_tensors), batch_size=64)
        quiet_trainer(*callbacks, epochs=1).fit(Classifier(mlp()), loader)
        return drawn[-len(loader.dataset) :]

    drawn: list[float] = []
    assert numbers(AttractionRecorder(tmp_path, num_samples=20)) == numbers()


def test_submodules_keep_their_modes(tmp_path: Path) -> None:
    class Frozen(Classifier):
        def on_train_epoch_start(self) -> None:
            self.network[0].eval()

        def on_train_epoch_end(self) -> None:
            assert not self.network[0].training
            assert self.network[1].training

    quiet_trainer(AttractionRecorder(tmp_path)).fit(Frozen(mlp()), DigitsDataModule())


def test_a_resumed_run_leaves_the_record_of_one_never_stopped(tmp_path: Path) -> None:
    loss = named_loss("taylorglo_1")
    checkpoint = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, every_n_epochs=1)
    options = {"enable_checkpointing": True}
    fit(loss, AttractionRecorder(tmp_path / "whole"), checkpoint, epochs=5, **options)

    fit(loss, AttractionRecorder(tmp_path / "parts"), epochs=4)  # stopped late: epoch 4 will be recorded again
    seed_everything(0, verbose=False)
    trainer = quiet_trainer(LossInjection(loss), AttractionRecorder(tmp_path / "parts"), epochs=5)
    trainer.fit(Classifier(mlp()), DigitsDataModule(), ckpt_path=tmp_path / "epoch=1.ckpt", weights_only=False)

    whole, parts = read(tmp_path / "whole"), read(tmp_path / "parts")
    assert whole.epochs.tolist() == parts.epochs.tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(whole.index, parts.index)
    torch.testing.assert_close(whole.confidence, parts.confidence)
    torch.testing.assert_close(whole.attraction, parts.attraction)


def test_a_new_run_replaces_an_old_record(tmp_path: Path) -> None:
    fit(named_loss("mse"), AttractionRecorder(tmp_path), epochs=4)
    fit(named_loss("mse"), AttractionRecorder(tmp_path, seed=1), epochs=1)
    assert read(tmp_path).epochs.tolist() == [0, 1]


def test_a_checkpoint_never_waits_for_epochs_still_in_memory(tmp_path: Path) -> None:
    class Reader(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 3:
                trainer.save_checkpoint(tmp_path / "now.ckpt")
                self.seen = read(tmp_path).epochs.tolist()

    reader = Reader()
    fit(named_loss("mse"), AttractionRecorder(tmp_path), reader, epochs=4)
    assert reader.seen == [0, 1, 2, 3]


def test_a_failed_run_keeps_its_record(tmp_path: Path) -> None:
    class Failing(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 2:
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(named_loss("taylorglo_1"), AttractionRecorder(tmp_path / "failed", num_samples=300), Failing())
    failed = read(tmp_path / "failed")
    assert failed.epochs.tolist() == [0, 1, 2]
    fit(named_loss("taylorglo_1"), AttractionRecorder(tmp_path / "whole", num_samples=300), epochs=2)
    torch.testing.assert_close(failed.attraction, read(tmp_path / "whole").attraction)


@pytest.mark.parametrize("own", [CrossEntropyLoss(), nn.CrossEntropyLoss()], ids=["ours", "torch's"])
def test_a_loss_of_training_progress_is_asked_at_its_progress(own: nn.Module, tmp_path: Path) -> None:
    # l = -(1 - 2 t) y h: pulls in the first half of the training, pushes in the second
    theta = torch.zeros(13)
    theta[3 + 6], theta[3 + 7] = 1.0, -2.0  # exponents of (y, h, t): (1, 1, 0) and (1, 1, 1)
    fit(TaylorLoss(theta, inputs=("y", "h", "t")), AttractionRecorder(tmp_path), epochs=4, own=own)
    signs = read(tmp_path).attraction.float().mean(-1).sign()
    assert signs.tolist() == [1.0, 1.0, 1.0, -1.0, -1.0]


def test_any_loss_module_will_do(tmp_path: Path) -> None:
    class Own(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.criterion = mlp(), nn.CrossEntropyLoss(weight=torch.ones(10))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.network(inputs)

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
            return self.criterion(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    recorder = AttractionRecorder(tmp_path, num_samples=20, attribute="criterion")
    inputs, target = DigitsDataModule().train_tensors
    quiet_trainer(recorder, epochs=1).fit(Own(), DataLoader(TensorDataset(inputs, target), batch_size=64))
    assert bool((read(tmp_path).attraction >= 0.0).all())
    with pytest.raises(ModelError, match="'loss_fn'"):
        quiet_trainer(AttractionRecorder(tmp_path)).fit(Own(), DataLoader(TensorDataset(inputs, target)))


@pytest.mark.parametrize("indices", [list(range(20, 120)), torch.arange(20, 120)])
def test_samples_are_drawn_from_the_part_of_the_data_that_is_trained_on(
    indices: list[int] | torch.Tensor, tmp_path: Path
) -> None:
    data = TensorDataset(*DigitsDataModule().train_tensors)
    loader = DataLoader(data, batch_size=20, sampler=SubsetRandomSampler(indices))
    quiet_trainer(AttractionRecorder(tmp_path, num_samples=100), epochs=1).fit(Classifier(mlp()), loader)
    record = read(tmp_path)
    assert sorted(record.index.tolist()) == list(range(20, 120))
    assert torch.equal(record.target, data.tensors[1][record.index])


def test_refuses_data_without_indices(tmp_path: Path) -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            yield torch.zeros(1, 8, 8), torch.tensor(0)

    with pytest.raises(ModelError, match="indices"):
        quiet_trainer(AttractionRecorder(tmp_path)).fit(Classifier(mlp()), DataLoader(Stream()))


def test_refuses_labels_that_are_no_class_indices(tmp_path: Path) -> None:
    data = TensorDataset(torch.zeros(4, 1, 8, 8), torch.full((4, 10), 0.1))
    with pytest.raises(ModelError, match="class indices"):
        quiet_trainer(AttractionRecorder(tmp_path)).fit(Classifier(mlp()), DataLoader(data))


@pytest.mark.parametrize("options", [{"num_samples": 0}, {"num_samples": -5}, {"step": 0.0}, {"step": float("nan")}])
def test_refuses_bad_arguments(options: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="num_samples of 1 or more"):
        AttractionRecorder(**options)


def test_a_missing_or_damaged_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"attraction\.npz"):
        read(tmp_path)
    (tmp_path / "attraction.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"attraction\.npz"):
        read(tmp_path)


def fit_on_rank(rank: int, port: int, directory: Path) -> None:
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        NODE_RANK="0",
        TORCHELASTIC_RUN_ID="test",
    )
    torch.set_num_threads(1)
    fit(named_loss("taylorglo_1"), AttractionRecorder(directory / str(rank)), devices=2, strategy="ddp")
    torch.distributed.destroy_process_group()


def test_rank_zero_alone_records(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    torch.multiprocessing.start_processes(fit_on_rank, (port, tmp_path), nprocs=2, start_method="fork")
    assert read(tmp_path / "0").epochs.tolist() == [0, 1, 2, 3]
    assert not (tmp_path / "1").exists()
