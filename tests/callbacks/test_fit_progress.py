"""Training progress t: at batch k of n it is k / n, whatever a Trainer makes of the batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, GradientAccumulationScheduler, StochasticWeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from glo_lightning.callbacks import LossInjection
from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss
from tests.search.toy import ToyData, ToyModel

BATCHES = 4
"""Of an epoch."""


class Clock(CrossEntropyLoss):
    """Writes down the progress at each of its calls."""

    family = "clock"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    @property
    def uses_progress(self) -> bool:
        return True

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        self.seen.append(self.progress)
        return super().forward(logits, target)


class ByHand(ToyModel):
    """Optimizes by hand, with several optimizers, each of which steps after some batches."""

    def __init__(self, optimizers: int, accumulated: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.num_optimizers, self.accumulated = optimizers, accumulated

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.parameters(), 0.1) for _ in range(self.num_optimizers)]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.manual_backward(loss)
        if (batch_idx + 1) % self.accumulated == 0:
            optimizers = self.optimizers()
            for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
                optimizer.step()
                optimizer.zero_grad()
        return loss


def clocked(model: LightningModule, data: Any = None, ckpt_path: Path | None = None, **trainer: Any) -> list[float]:
    """Return the progress that a fit's batches saw."""
    clock = Clock()
    fit(LossInjection(clock), model, data, ckpt_path, **trainer)
    return clock.seen


def fit(
    injection: LossInjection, model: LightningModule, data: Any = None, ckpt_path: Path | None = None, **options: Any
) -> Trainer:
    lean = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    own = options.pop("callbacks", [])
    trainer = Trainer(callbacks=[*own, injection], accelerator="cpu", **{"limit_val_batches": 0, **lean, **options})
    trainer.fit(model, ToyData(batch_size=8) if data is None else data, ckpt_path=ckpt_path)
    return trainer


AUTOMATIC: dict[str, tuple[dict[str, Any], int]] = {
    "two epochs": ({"max_epochs": 2}, 2 * BATCHES),
    "part of the data": ({"max_epochs": 2, "limit_train_batches": 3}, 6),
    "max_steps": ({"max_steps": 7}, 7),
    "max_steps, endless epochs": ({"max_steps": 7, "max_epochs": -1}, 7),
    "max_steps beyond max_epochs": ({"max_steps": 70, "max_epochs": 2}, 2 * BATCHES),
    "accumulation": ({"max_epochs": 2, "accumulate_grad_batches": 2}, 2 * BATCHES),
    "accumulation with a rest": ({"max_epochs": 2, "accumulate_grad_batches": 3}, 2 * BATCHES),
    "accumulation and max_steps": ({"max_steps": 3, "accumulate_grad_batches": 2}, 6),
    # Each epoch has a step after three batches and one after the last.
    "accumulation with a rest and max_steps": ({"max_steps": 3, "accumulate_grad_batches": 3}, BATCHES + 3),
    "scheduled accumulation": (
        {"max_epochs": 3, "callbacks": [GradientAccumulationScheduler({0: 4, 1: 2})]}, 3 * BATCHES
    ),
    "scheduled accumulation and max_steps": (
        {"max_steps": 5, "callbacks": [GradientAccumulationScheduler({0: 4, 1: 2, 2: 1})]}, 2 * BATCHES + 2
    ),
    "half the batch size, as a callback finds": (
        {"max_epochs": 2, "callbacks": [BatchSizeFinder(init_val=4, max_trials=1, steps_per_trial=1)]}, 4 * BATCHES
    ),
}  # fmt: skip


@pytest.mark.parametrize(("trainer", "batches"), AUTOMATIC.values(), ids=AUTOMATIC)
def test_progress_is_the_share_of_the_batches(trainer: dict[str, Any], batches: int, tmp_path: Path) -> None:
    seen = clocked(ToyModel(), default_root_dir=tmp_path, **trainer)
    assert seen[-batches:] == pytest.approx([k / batches for k in range(batches)])
    assert not any(seen[:-batches])  # what a callback tries out before the fit


@pytest.mark.parametrize("optimizers", [1, 2])
@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize(
    "trainer", [{"max_epochs": 2}, {"max_epochs": 2, "max_steps": 99}], ids=["epochs", "steps too"]
)
def test_progress_counts_batches_of_a_module_that_optimizes_by_hand(
    optimizers: int, accumulated: int, trainer: dict[str, Any]
) -> None:
    seen = clocked(ByHand(optimizers, accumulated), **trainer)
    assert seen == pytest.approx([k / 8 for k in range(8)])


@pytest.mark.parametrize("optimizers", [1, 2])
@pytest.mark.parametrize("epochs", [None, -1])
def test_progress_of_manual_optimization_ends_with_max_steps(optimizers: int, epochs: int | None) -> None:
    seen = clocked(ByHand(optimizers), max_steps=6, max_epochs=epochs)
    assert seen == pytest.approx([k / (6 // optimizers) for k in range(6 // optimizers)])


def test_progress_leaves_out_the_epoch_that_only_updates_batch_normalisation() -> None:
    model = ToyModel()
    model.net.insert(1, nn.BatchNorm1d(4))
    seen = clocked(model, max_epochs=2, callbacks=[StochasticWeightAveraging(0.1, swa_epoch_start=1)])
    assert seen[: 2 * BATCHES] == pytest.approx([k / (2 * BATCHES) for k in range(2 * BATCHES)])
    assert set(seen[2 * BATCHES :]) == {1.0}


RESUMED: dict[str, tuple[Callable[[], LightningModule], dict[str, Any], dict[str, Any]]] = {
    "epochs": (ToyModel, {"max_epochs": 1}, {"max_epochs": 2}),
    "steps": (ToyModel, {"max_steps": 4}, {"max_steps": 8}),
    "accumulation": (
        ToyModel, {"max_epochs": 1, "accumulate_grad_batches": 2}, {"max_epochs": 2, "accumulate_grad_batches": 2}
    ),
    "by hand": (lambda: ByHand(2), {"max_epochs": 1}, {"max_epochs": 2}),
    "steps by hand": (lambda: ByHand(2), {"max_steps": 8}, {"max_steps": 16}),
}  # fmt: skip


@pytest.mark.parametrize(("model", "half", "whole"), RESUMED.values(), ids=RESUMED)
def test_progress_goes_on_after_a_resume(
    model: Callable[[], LightningModule], half: dict[str, Any], whole: dict[str, Any], tmp_path: Path
) -> None:
    fit(LossInjection(Clock()), model(), **half).save_checkpoint(tmp_path / "half.ckpt")
    seen = clocked(model(), ckpt_path=tmp_path / "half.ckpt", **whole)
    assert seen == pytest.approx([k / 8 for k in range(4, 8)])


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Examples without an end."""

    def __iter__(self) -> Any:
        while True:
            yield torch.ones(4), torch.tensor(1)


def test_data_without_a_length_are_counted_by_limits() -> None:
    loader = DataLoader(Stream(), 2)
    assert clocked(ToyModel(), loader, max_steps=4) == [0.0, 0.25, 0.5, 0.75]
    assert clocked(ToyModel(), loader, max_epochs=1, limit_train_batches=2) == [0.0, 0.5]
    with pytest.raises(ModelError, match="limit_train_batches if the data have no length"):
        clocked(ToyModel(), loader, max_epochs=2)


def test_progress_needs_an_end_before_anything_trains() -> None:
    model = ToyModel()
    before = model.net[0].weight.detach().clone()
    with pytest.raises(ModelError, match="max_epochs"):
        clocked(model, max_epochs=-1)
    assert torch.equal(model.net[0].weight, before)
    assert isinstance(model.loss_fn, nn.CrossEntropyLoss)


def test_a_second_fit_begins_at_zero() -> None:
    clock = Clock()
    for _ in range(2):
        fit(LossInjection(clock), ToyModel(), max_epochs=1)
    assert clock.seen == [0.0, 0.25, 0.5, 0.75] * 2
