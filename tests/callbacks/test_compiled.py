"""Compiled steps train with the candidate, validate with the own loss, and keep neither when its time is over."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from glo_lightning.callbacks import LossInjection
from glo_lightning.losses import TaylorLoss
from tests.search.toy import ToyData, ToyModel

OWN = 1000.0
"""Times cross-entropy, the loss of the modules themselves."""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    # A first backward after a compilation would start threads, as for a GPU, and tests that fork would fail.
    torch.ones((), requires_grad=True).backward()
    yield
    torch.compiler.reset()


class Times(nn.Module):
    """A multiple of cross-entropy."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.factor * cross_entropy(logits, target)


class Base(ToyModel):
    """Learns nothing, so that its losses tell what computed them."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_fn = Times(OWN)

    def step(self, inputs: Tensor, target: Tensor) -> Tensor:
        return self.loss_fn(self.net(inputs), target)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.step(*batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_factor", self.step(*batch) / cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


class OnInstance(Base):
    def __init__(self) -> None:
        super().__init__()
        self.step = torch.compile(self.step, backend="eager")  # type: ignore[method-assign]


class OnClass(Base):
    @torch.compile(backend="eager")
    def step(self, inputs: Tensor, target: Tensor) -> Tensor:
        return self.loss_fn(self.net(inputs), target)


class InTwoPieces(OnInstance):
    def __init__(self) -> None:
        super().__init__()
        self.step = torch.compile(self.pieces, backend="eager")  # type: ignore[method-assign]

    def pieces(self, inputs: Tensor, target: Tensor) -> Tensor:
        logits = self.net(inputs)
        torch._dynamo.graph_break()
        return self.loss_fn(logits, target)


class OfSubmodule(OnInstance):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Module()
        self.head.criterion = self.loss_fn
        self.step = torch.compile(self.of_head, backend="eager")  # type: ignore[method-assign]

    def of_head(self, inputs: Tensor, target: Tensor) -> Tensor:
        return self.head.criterion(self.net(inputs), target)


class NetworkAlone(Base):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.compile(self.net, backend="eager")


class Factors(Callback):
    """Notes by what the training losses exceed cross-entropy."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(float(outputs["loss"] / cross_entropy(pl_module.net(batch[0]), batch[1])))


def fit(model: LightningModule, *callbacks: Callback) -> Trainer:
    trainer = Trainer(
        max_epochs=2, limit_train_batches=1, limit_val_batches=1, accelerator="cpu", callbacks=list(callbacks),
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, ToyData())
    return trainer


def factors(model: LightningModule, *callbacks: Callback) -> list[float]:
    """Return those of the training losses of two epochs, and of the last validation."""
    noted = Factors()
    trainer = fit(model, *callbacks, noted)
    return [*noted.seen, float(trainer.callback_metrics["val_factor"])]


KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "method": (OnClass, "loss_fn"),
    "in two pieces": (InTwoPieces, "loss_fn"),
    "loss in a submodule": (OfSubmodule, "head.criterion"),
    "whole module": (lambda: torch.compile(Base(), backend="eager"), "loss_fn"),
    "network alone": (NetworkAlone, "loss_fn"),
}


@pytest.mark.parametrize(("kind", "attribute"), KINDS.values(), ids=KINDS)
def test_every_fit_trains_with_its_own_candidate_and_validates_without(kind: Callable[[], Any], attribute: str) -> None:
    model = kind()
    assert factors(model) == pytest.approx([OWN] * 3)
    assert factors(model, LossInjection(Times(2.0), attribute)) == pytest.approx([2.0, 2.0, OWN])
    assert factors(model) == pytest.approx([OWN] * 3)


@torch._dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True)
def test_a_step_is_compiled_for_any_number_of_candidates() -> None:
    for factor in (2.0, 3.0, 4.0):
        assert factors(OnInstance(), LossInjection(Times(factor))) == pytest.approx([factor, factor, OWN])


def test_a_network_of_another_file_stays_compiled() -> None:
    compiled: list[object] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    for factor in (2.0, 3.0):
        model = Base()
        model.net = torch.compile(model.net, backend=backend)
        fit(model, LossInjection(Times(factor)))
        if factor == 2.0:
            first = len(compiled)
    assert 0 < first == len(compiled)


def test_a_compiled_step_sees_the_progress() -> None:
    theta = torch.zeros(13)
    theta[3 + 6], theta[3 + 7] = 1.0, -2.0  # l = -(1 - 2 t) y h
    seen = []
    for kind in (Base, OnInstance):
        torch.manual_seed(0)
        seen.append(factors(kind(), LossInjection(TaylorLoss(theta, inputs=("y", "h", "t")))))
    assert seen[0][0] < 0.0
    assert seen[0][1] == pytest.approx(0.0, abs=1e-6)  # at t = 1/2
    assert seen[1] == pytest.approx(seen[0], abs=1e-6)
