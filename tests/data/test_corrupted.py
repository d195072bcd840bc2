"""Labels corrupted on purpose: as often and in the way that was asked for, and never in the test split."""

from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.data.corrupted import Corruption
from glo_lightning.errors import DataError
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator

M, C = 20_000, 5
LABELS = torch.arange(M) % C
INPUTS = torch.randn(M, 3, generator=torch.Generator().manual_seed(0))


class Plain(LightningDataModule):
    """Anybody's data module."""

    def __init__(self, real: bool = False, shuffled: bool = True) -> None:
        super().__init__()
        target = INPUTS[:600, 0] if real else LABELS[:600]
        self.parts = [TensorDataset(INPUTS[:600][k::3], target[k::3]) for k in range(3)]
        self.shuffled = shuffled

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], 32, shuffle=self.shuffled)

    def val_dataloader(self) -> Any:
        return DataLoader(self.parts[1], 32)

    def test_dataloader(self) -> Any:
        return DataLoader(self.parts[2], 32)


def labels(loader: Any) -> torch.Tensor:
    return torch.cat([batch[1] for batch in loader])


def noisy(rate: float, **arguments: Any) -> torch.Tensor:
    return Corruption(rate, **arguments).labels(lambda: INPUTS, LABELS, C, "train")


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_symmetric_noise_spreads_evenly_over_the_other_classes(rate: float) -> None:
    found = noisy(rate)
    for label in range(C):
        shares = torch.bincount(found[label == LABELS], minlength=C) / (M / C)
        expected = torch.full((C,), rate / (C - 1))
        expected[label] = 1.0 - rate
        torch.testing.assert_close(shares, expected, atol=0.03, rtol=0.0)


def test_pairs_go_to_the_next_class() -> None:
    found = noisy(0.4, kind="pairs")
    assert set(((found - LABELS) % C).tolist()) == {0, 1}
    assert float((found != LABELS).float().mean()) == pytest.approx(0.4, abs=0.02)


def test_noise_by_instance_is_the_same_for_the_same_inputs_more_often_than_by_chance() -> None:
    inputs, target = INPUTS[:1].expand(4000, -1), torch.zeros(4000, dtype=torch.int64)
    found = Corruption(0.4, "instance").labels(lambda: inputs, target, C, "train")
    assert float((found != 0).float().mean()) == pytest.approx(0.4, abs=0.03)
    wrong = torch.bincount(found, minlength=C)[1:] / (found != 0).sum()
    assert float(wrong.max()) > 0.5  # symmetric noise would give each a quarter
    overall = noisy(0.3, kind="instance")
    assert float((overall != LABELS).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_a_long_tail_decays_exponentially_and_keeps_everybody_in_the_first_class() -> None:
    kept = LABELS[Corruption(long_tail=16.0).kept(LABELS, C)]
    assert torch.bincount(kept).tolist() == [4000, 2000, 1000, 500, 250]


def test_outliers_are_far_off() -> None:
    target = INPUTS[:, 0]
    moved = Corruption(outliers=0.1).targets(target, "train") - target
    far = moved.abs() / target.std()
    assert float((far > 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert ((far == 0) | ((far >= 4.999) & (far <= 10.001))).all()


def test_outliers_of_several_targets_are_far_off_in_units_of_their_own_column() -> None:
    target = INPUTS * torch.tensor([1e-3, 1.0, 1e3])
    far = (Corruption(outliers=0.1).targets(target, "train") - target).abs() / target.std(0)
    moved = far[(far > 0).any(1)]
    assert len(moved) / M == pytest.approx(0.1, abs=0.01)
    assert ((moved >= 4.99) & (moved <= 10.01)).all()


@pytest.mark.parametrize("inner", [DigitsDataModule, Plain])
def test_test_data_are_never_touched_and_every_setup_is_the_same(inner: Any) -> None:
    clean, data = inner(), CorruptedDataModule(inner(), label_noise=0.5)
    again = CorruptedDataModule(inner(), label_noise=0.5)
    for module in (clean, data, again):
        module.setup("fit")
    assert torch.equal(labels(data.test_dataloader()), labels(clean.test_dataloader()))
    validation = labels(data.val_dataloader())
    assert torch.equal(validation, labels(again.val_dataloader()))
    assert torch.equal(data.clean["val"], labels(clean.val_dataloader()))
    assert float((validation != data.clean["val"]).float().mean()) == pytest.approx(0.5, abs=0.1)
    seed_everything(0)
    first = labels(data.train_dataloader())
    assert len(first) == len(data.clean["train"])
    kept = CorruptedDataModule(inner(), label_noise=0.5, corrupt_validation=False)
    kept.setup("fit")
    assert torch.equal(labels(kept.val_dataloader()), labels(clean.val_dataloader()))


def test_the_data_module_that_is_given_stays_clean() -> None:
    digits = DigitsDataModule()
    before = digits.train_tensors[1].clone()
    data = CorruptedDataModule(digits, label_noise=0.5, long_tail=10.0)
    assert data.tensor_data is not None
    assert len(data.tensor_data.train_tensors[1]) < len(before)
    assert torch.equal(digits.train_tensors[1], before)
    assert data.mean == digits.mean
    assert data.num_classes == 10


def test_a_fraction_of_the_data_has_the_whole_tail() -> None:
    data = CorruptedDataModule(DigitsDataModule(training_fraction=0.5), long_tail=10.0)
    assert data.tensor_data is not None
    assert data.training_fraction == 0.5
    counts = torch.bincount(data.tensor_data.train_tensors[1])
    everybody = torch.bincount(DigitsDataModule(training_fraction=0.5).train_tensors[1])
    tail = [round(int(everybody.max()) * 10.0 ** (-label / 9)) for label in range(10)]
    assert counts.tolist() == [min(wanted, there) for wanted, there in zip(tail, everybody.tolist(), strict=True)]
    assert counts[-1] == 6
    assert torch.equal(data.clean["train"], data.tensor_data.train_tensors[1])


def test_anybodys_module_trains_with_a_long_tail() -> None:
    data = CorruptedDataModule(Plain(), long_tail=8.0)
    counts = torch.bincount(labels(data.train_dataloader()))
    assert counts[0] == 40
    assert counts[-1] == 5
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(torch.nn.Linear(3, C)), data)
    assert trainer.global_step == -(-int(counts.sum()) // 32)


def test_a_population_trains_on_the_same_labels_as_the_trainer() -> None:
    data = CorruptedDataModule(DigitsDataModule(batch_size=128), label_noise=0.5)
    task = python_task(lambda: Classifier(mlp()), data, {"max_epochs": 2, "accelerator": "cpu", "precision": "64-true"})
    runs = [Run(CrossEntropyLoss(), 0), Run(MeanSquaredErrorLoss(), 3)]
    metrics = [
        [evaluation.metric for evaluation in make(task, Monitor()).evaluate(runs)]
        for make in (PopulationEvaluator, TrainerEvaluator)
    ]
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-6)
    assert max(metrics[0]) < 0.6


def test_outliers_of_anybodys_module() -> None:
    data = CorruptedDataModule(Plain(real=True, shuffled=False), outliers=0.2)
    moved = (labels(data.train_dataloader()) != data.clean["train"]).float().mean()
    assert float(moved) == pytest.approx(0.2, abs=0.08)


class Sampled(Plain):
    """Draws with replacement, more samples than there are, and says how workers begin."""

    def train_dataloader(self) -> Any:
        sampler = RandomSampler(self.parts[0], True, 1000, torch.Generator().manual_seed(5))
        return DataLoader(
            self.parts[0], 32, sampler=sampler, num_workers=1, prefetch_factor=7, worker_init_fn=print, timeout=60
        )


def test_a_loader_serves_corrupted_data_as_it_served_its_own() -> None:
    data = CorruptedDataModule(Sampled(), label_noise=0.2)
    loader, given = data.train_dataloader(), Sampled().train_dataloader()
    assert len(loader) == len(given) == 32
    assert list(loader.sampler) == list(given.sampler), "the same draws"
    assert (loader.prefetch_factor, loader.worker_init_fn, loader.timeout) == (7, print, 60)
    tail = CorruptedDataModule(Plain(), long_tail=10.0).train_dataloader()
    assert len(list(tail.sampler)) == len(tail.dataset) < 200


class Iterated(Plain):
    def train_dataloader(self) -> Any:
        return [INPUTS]


BAD: dict[str, tuple[Any, dict[str, Any]]] = {
    "negative noise": (Plain, {"label_noise": -0.1}),
    "all noise": (Plain, {"label_noise": 1.0}),
    "kind": (Plain, {"kind": "open"}),
    "short tail": (Plain, {"long_tail": 0.5}),
    "seed": (Plain, {"seed": -1}),
    "outliers of classes": (Plain, {"outliers": 0.1}),
    "noise of real targets": (lambda: Plain(real=True), {"label_noise": 0.1}),
    "no data set": (Iterated, {"label_noise": 0.1}),
}


@pytest.mark.parametrize(("inner", "arguments"), BAD.values(), ids=BAD)
def test_what_cannot_be_corrupted_is_refused(inner: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        CorruptedDataModule(inner(), **arguments).train_dataloader()
