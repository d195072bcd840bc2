import itertools
import json
import os
import socket

import pytest
import torch
import torch.multiprocessing
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn

from glo_lightning.data import DigitsDataModule, Splits, TensorDataModule
from glo_lightning.errors import DataError


class Counting(TensorDataModule):
    """Example i is the number i; counts how often it was loaded."""

    num_classes, input_shape = 2, (1,)

    def __init__(self, sizes=(12, 6, 6), batch_size=4, seed=0):
        super().__init__(batch_size, seed)
        self.sizes, self.loads = sizes, 0

    def load(self):
        self.loads += 1
        return Splits(*((torch.arange(float(n)).unsqueeze(-1), torch.arange(n) % 2) for n in self.sizes))


class Recorder(LightningModule):
    """Writes down which examples each training and validation step got."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.seen, self.validated = [], []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch[0].flatten().tolist())
        return self.layer(batch[0]).sum()

    def validation_step(self, batch, batch_idx):
        self.validated += batch[0].flatten().tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def quiet_trainer(**options):
    return Trainer(
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accelerator="cpu",
        **options,
    )


def batches_of_a_fit(data, epochs=2):
    module = Recorder()
    quiet_trainer(max_epochs=epochs).fit(module, data)
    return module.seen


def test_order_is_a_function_of_seed_and_epoch():
    first, again = batches_of_a_fit(Counting(seed=3)), batches_of_a_fit(Counting(seed=3))
    assert first == again
    assert first[:3] != first[3:]
    assert first != batches_of_a_fit(Counting(seed=4))
    assert sorted(itertools.chain(*first[:3])) == list(range(12))


def test_a_reused_module_loads_once_and_serves_each_fit_alike():
    data = Counting()
    assert batches_of_a_fit(data) == batches_of_a_fit(data)
    assert data.loads == 1


def test_without_a_seed_of_its_own_a_reused_module_follows_lightnings(monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    data = Counting(seed=None)
    for seed in (3, 4):
        seed_everything(seed, verbose=False)
        assert batches_of_a_fit(data) == batches_of_a_fit(Counting(seed=seed))


def test_train_order_is_what_the_trainer_serves():
    data = Counting(sizes=(13, 6, 6), seed=3)
    expected = [chosen.tolist() for epoch in range(2) for chosen in data.train_order(epoch).split(data.batch_size)]
    assert batches_of_a_fit(data) == expected
    assert torch.equal(data.train_order(1, seed=8), Counting(sizes=(13, 6, 6), seed=8).train_order(1))


def test_seeds_share_no_epoch_order():
    data = Counting(sizes=(50, 6, 6))
    orders = {tuple(data.train_order(epoch, seed).tolist()) for epoch in range(10) for seed in range(10)}
    assert len(orders) == 100


def test_a_resumed_fit_goes_on_with_the_order(tmp_path):
    whole = batches_of_a_fit(Counting(), epochs=3)
    trainer, module = quiet_trainer(max_epochs=1), Recorder()
    trainer.fit(module, Counting())
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    quiet_trainer(max_epochs=3).fit(module, Counting(), ckpt_path=tmp_path / "one.ckpt")
    assert module.seen == whole


def test_training_batch_gets_the_number_of_the_batch():
    class Stepping(Counting):
        def training_batch(self, batch, step, seed=None):
            return torch.full_like(batch[0], float(step)), batch[1]

    assert [batch[0] for batch in batches_of_a_fit(Stepping())] == [0, 1, 2, 3, 4, 5]


def fit_on_rank(rank, port, folder):
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        TORCHELASTIC_RUN_ID="test",
    )
    torch.set_num_threads(1)
    module = Recorder()
    quiet_trainer(max_epochs=2, devices=2, strategy="ddp").fit(module, Counting(sizes=(12, 5, 6), batch_size=2))
    (folder / f"{rank}.json").write_text(json.dumps([module.seen, module.validated]))


def test_two_ranks_train_on_disjoint_halves_and_count_each_validation_example_alike(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Forks start in no time; fresh interpreters would import Lightning twice more.
    torch.multiprocessing.start_processes(fit_on_rank, (port, tmp_path), nprocs=2, start_method="fork")
    (first, first_validated), (second, second_validated) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    for epoch in (slice(0, 3), slice(3, 6)):
        shares = [list(itertools.chain(*seen[epoch])) for seen in (first, second)]
        assert not set(shares[0]) & set(shares[1])
        assert sorted(shares[0] + shares[1]) == list(range(12))
    assert first[:3] != first[3:]
    assert first_validated == second_validated == [0, 1, 2, 3, 4] * 2


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"seed": -1}])
def test_bad_settings_are_refused(options):
    with pytest.raises(DataError):
        DigitsDataModule(**options)


@pytest.mark.parametrize(
    "examples",
    [
        (torch.zeros(3, 1), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64)),
        (torch.zeros(2, 1), torch.zeros(2)),
        (torch.zeros(2, 1), torch.tensor([0, 2])),
        (torch.zeros(2, 1), torch.tensor([-1, 0])),
    ],
    ids=["fewer labels", "empty", "floating labels", "label C", "label -1"],
)
def test_unusable_splits_are_refused(examples):
    class Broken(Counting):
        def load(self):
            good = super().load()
            return Splits(good.train, examples, good.test)

    with pytest.raises(DataError, match="val"):
        Broken().setup()
