"""Models that share weights would go on where another candidate's training ended."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from glo_lightning.errors import ModelError
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.checks.models import FrozenParts, require_fresh_models
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import python_task
from tests.search.toy import ToyData, ToyModel

MODEL, NETWORK = ToyModel(), mlp(3, in_features=4)
FROZEN = nn.Linear(4, 4).requires_grad_(False)
WEIGHT = torch.randn(3, 4)


def check(make: Any, **trainer: object) -> FrozenParts:
    """Return what is shared, after another model has been tried."""
    task = python_task(make, ToyData(), {"accelerator": "cpu", "max_epochs": 1, **trainer})
    shared = require_fresh_models(task)
    probe_task(task, Monitor("val_loss", "min"))
    shared.require_unchanged()
    return shared


def on(*layers: nn.Module) -> LightningModule:
    return Classifier(nn.Sequential(*layers, nn.Linear(4, 3)))


def around_a_tensor() -> LightningModule:
    linear = nn.Linear(4, 3)
    linear.weight = nn.Parameter(WEIGHT)
    return Classifier(linear)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: MODEL, "the same model again"),
        (lambda: Classifier(NETWORK), "share weights, network.1.weight for one"),
        (around_a_tensor, "share weights, network.weight for one"),
    ],
    ids=["the same", "a network", "numbers of parameters"],
)
def test_models_that_share_weights_are_refused(make: object, got: str) -> None:
    with pytest.raises(ModelError, match=got) as caught:
        check(make)
    assert "lambda: MyModel(make_network())" in caught.value.cure


def test_models_that_share_statistics_are_refused_unless_each_has_a_copy() -> None:
    backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)
    with pytest.raises(
        ModelError, match=r"share network.0.1.running_mean, which the first batch has changed"
    ) as caught:
        check(lambda: on(backbone))
    assert "lambda: MyModel(copy.deepcopy(backbone))" in caught.value.cure
    assert not check(lambda: on(copy.deepcopy(backbone))).before


SHARED: dict[str, Callable[[], nn.Module]] = {
    "weights": lambda: FROZEN,
    "a normalisation without statistics": lambda: nn.LayerNorm(4).requires_grad_(False),
    "statistics of another mode": lambda: _Evaluated(nn.BatchNorm1d(4)).eval().requires_grad_(False),
    "numbers of every kind": lambda: _Constants(),
}


class _Evaluated(nn.Sequential):
    """Stays as it is when a model trains."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


class _Constants(nn.Identity):
    def __init__(self) -> None:
        super().__init__()
        for dtype in (torch.bool, torch.int64, torch.complex64, torch.float8_e5m2):
            self.register_buffer(str(dtype)[6:], torch.ones(2).to(dtype))
        self.register_buffer("missing", torch.full((2,), torch.nan))
        self.register_buffer("sparse", torch.eye(3).to_sparse())
        self.register_buffer("large", torch.randn(100, 300).T)


@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED)
def test_frozen_parts_that_nothing_changes_may_be_shared(make: Callable[[], nn.Module]) -> None:
    backbone = make()
    assert check(lambda: on(backbone)).before


def test_a_precision_that_converts_what_is_shared_once_for_all_does_not_change_it() -> None:
    backbone = nn.Linear(4, 4).requires_grad_(False)
    assert check(lambda: on(backbone), precision="64-true").before
    assert backbone.weight.dtype == torch.float64, "it has not been copied"


@pytest.mark.parametrize("make", [ToyModel, lambda: Classifier(mlp(3, in_features=4))], ids=["class", "function"])
def test_models_of_their_own_are_accepted(make: Any) -> None:
    before = torch.get_rng_state()
    assert not require_fresh_models(python_task(make, ToyData(), {"accelerator": "cpu"})).before
    assert torch.equal(torch.get_rng_state(), before)
