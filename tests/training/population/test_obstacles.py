"""What only the Trainer can do, and the one line that says so."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task
from tests.training.population.small_tasks import task, taylors

ACCURACY = Monitor()


class OwnModule(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = mlp()
        self.loss_fn = CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.loss_fn(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class OwnStep(Classifier):
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return super().training_step(batch, batch_idx)


class OwnOptimizer(Classifier):
    def make_optimizer(self, parameters: object) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(parameters)


class TwoGroups(Classifier):
    def make_optimizer(self, parameters: object) -> torch.optim.Optimizer:
        weights = list(parameters)  # type: ignore[call-overload]
        return torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:]}], lr=0.1)


class OnlyMatrices(Classifier):
    def make_optimizer(self, parameters: object) -> torch.optim.Optimizer:
        return torch.optim.SGD([each for each in parameters if each.ndim > 1], lr=0.1)  # type: ignore[attr-defined]


class OnlyItsOwn(Classifier):
    def make_optimizer(self, parameters: object) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class BySize(Classifier):
    def make_optimizer(self, parameters: object) -> torch.optim.Optimizer:
        weights = list(parameters)  # type: ignore[call-overload]
        return torch.optim.SGD(weights, lr=100.0 / sum(each.numel() for each in weights))


class Plateau(Classifier):
    def make_scheduler(self, optimizer: torch.optim.Optimizer, num_epochs: int) -> LRScheduler:
        return ReduceLROnPlateau(optimizer)


class ExtraParameter(Classifier):
    def __init__(self) -> None:
        super().__init__(mlp())
        self.temperature = nn.Parameter(torch.ones(()))


class OwnLoader(DigitsDataModule):
    def train_dataloader(self) -> object:
        return super().train_dataloader()


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.linear(x.flatten(1))
        return logits if logits.sum() > 0 else 2 * logits


class Noisy(nn.Module):
    """Draws random numbers."""

    def __init__(self, noise: Callable[[Tensor, bool], Tensor]) -> None:
        super().__init__()
        self.linear, self.noise = nn.Linear(64, 10), noise

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.noise(x.flatten(1), self.training))


NOISES: dict[str, Callable[[Tensor, bool], Tensor]] = {
    "functional dropout": lambda x, training: nn.functional.dropout(x, 0.5, training),
    "dropout that is never off": lambda x, training: nn.functional.dropout(x, 0.5),
    "functional dropout of channels": lambda x, training: nn.functional.dropout1d(x[..., None], 0.5, training)[..., 0],
    "gaussian": lambda x, training: x + 0.1 * torch.randn_like(x),
    "python": lambda x, training: x * random.random(),
    "numpy": lambda x, training: x * float(np.random.rand()),
    "in few batches": lambda x, training: x * (2.0 if torch.rand(()) < 1e-9 else 1.0),
}


def of_layer(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), layer, nn.Linear(16, 10))


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_a_network_that_draws_random_numbers_of_its_own_is_left_to_the_trainer(noise: Any) -> None:
    assert (
        "the network draws random numbers of its own"
        in PopulationEvaluator(task(lambda: Noisy(noise)), ACCURACY).obstacle()
    )


def test_data_that_draw_random_numbers_of_their_own_are_left_to_the_trainer() -> None:
    class Jittered(DigitsDataModule):
        def training_batch(self, batch: Any, step: int, seed: int | None = None) -> Any:
            return batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]

    reason = PopulationEvaluator(task(data=Jittered(training_fraction=0.2)), ACCURACY).obstacle()
    assert "Jittered's training_batch draws random numbers of its own" in reason


@pytest.mark.parametrize("layer", [nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5)], ids=repr)
def test_a_layer_that_draws_random_numbers_of_its_own_is_left_to_the_trainer(layer: nn.Module) -> None:
    for network in (lambda: of_layer(layer), lambda: nn.Sequential(layer, nn.Flatten(), nn.Linear(64, 10))):
        assert "the network draws random numbers of its own" in PopulationEvaluator(task(network), ACCURACY).obstacle()


NESTED = {
    "dropout": lambda: nn.Dropout(0.5),
    "nested dropout": lambda: Nested(nn.Dropout(0.5)),
    "dropout of channels": lambda: Nested(nn.Sequential(nn.Unflatten(1, (16, 1)), nn.Dropout1d(0.5), nn.Flatten())),
    "none": nn.Identity,
}


class Nested(nn.Module):
    """A module that only vmap computes."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + x


@pytest.mark.parametrize("layer", NESTED.values(), ids=NESTED)
def test_whatever_is_accepted_has_the_same_metric_alone_and_among_neighbours(layer: Any) -> None:
    evaluator = PopulationEvaluator(task(lambda: of_layer(layer())), Monitor("val_loss", "min"))
    assert evaluator.obstacle() == ""
    first, *others = (Run(CrossEntropyLoss(), seed) for seed in range(3))
    metrics = [
        evaluator.evaluate([first, *neighbours])[0].metric for neighbours in ([], others[:1], others[1:], others)
    ]
    assert metrics == pytest.approx(metrics[:1] * 4, rel=1e-6)


def _patched() -> Classifier:
    model = Classifier(mlp())
    model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), 0.1)  # type: ignore[method-assign]
    return model


def of(model: Callable[[], LightningModule]) -> Task:
    return python_task(model, DigitsDataModule(), {"accelerator": "cpu", "max_epochs": 1})


OBSTACLES: dict[str, tuple[Callable[[], Task], str]] = {
    "module": (
        lambda: of(OwnModule),
        "only a Classifier or Regressor of glo_lightning.models .* the model is a .*OwnModule",
    ),
    "step": (lambda: of(lambda: OwnStep(mlp())), "training_step of its own"),
    "patch": (lambda: of(_patched), "configure_optimizers of its own"),
    "optimizer": (lambda: of(lambda: OwnOptimizer(mlp())), "LBFGS"),
    "parameter groups": (lambda: of(lambda: TwoGroups(mlp())), "several parameter groups"),
    "weights of some shape": (lambda: of(lambda: OnlyMatrices(mlp())), "make_optimizer treats stacked weights"),
    "weights that are not given": (lambda: of(lambda: OnlyItsOwn(mlp())), "make_optimizer treats stacked weights"),
    "a rate by size": (lambda: of(lambda: BySize(mlp())), "make_optimizer treats stacked weights"),
    "schedule": (lambda: of(lambda: Plateau(mlp())), "returns a ReduceLROnPlateau, no schedule that steps once"),
    "parameter": (lambda: of(ExtraParameter), "parameters outside"),
    "network": (lambda: task(DataDependent), "vmap cannot compute the network"),
    "rrelu": (lambda: task(lambda: of_layer(nn.RReLU())), "aten::rrelu"),
    "positions": (lambda: task(lambda: nn.Conv2d(1, 10, 1)), "outputs are not of shape"),
    "outputs": (lambda: task(lambda: mlp(num_classes=7)), "7 outputs for labels of 10 classes"),
    "loader": (lambda: task(data=OwnLoader()), "train_dataloader of its own"),
    "callback": (lambda: task(callbacks=[Callback()]), "has Callback"),
    "checkpoints": (lambda: task(enable_checkpointing=True), "ModelCheckpoint"),
    "time limit": (lambda: task(max_time={"minutes": 5}), "Timer"),
    "accumulation": (lambda: task(accumulate_grad_batches=2), "accumulate_grad_batches=2"),
    "steps": (lambda: task(max_steps=5), "max_steps=5"),
    "endless": (lambda: task(max_epochs=-1), "max_epochs=-1"),
    "half precision": (lambda: task(plugins=[MixedPrecision("16-mixed", "cpu")]), "16-mixed"),
    "nothing to train on": (lambda: task(limit_train_batches=0.1), "leaves none"),
    "nothing to validate": (lambda: task(limit_val_batches=0.5), "leaves none"),
    "validation": (lambda: task(max_epochs=3, check_val_every_n_epoch=2), "check_val_every_n_epoch=2"),
    "frequent validation": (lambda: task(val_check_interval=0.5), "val_check_interval=0.5"),
}


@pytest.mark.parametrize(("build", "reason"), OBSTACLES.values(), ids=OBSTACLES)
@pytest.mark.filterwarnings("ignore")
def test_what_only_the_trainer_can_do_is_refused_with_the_reason(build: Callable[[], Task], reason: str) -> None:
    evaluator = PopulationEvaluator(build(), ACCURACY)
    with pytest.raises(SettingsError, match=reason):
        evaluator.evaluate(taylors(1))
    assert "\n" not in evaluator.obstacle() != ""


def test_loggers_monitors_and_attributes_are_refused(tmp_path: object) -> None:
    assert "CSVLogger" in PopulationEvaluator(task(logger=CSVLogger(str(tmp_path))), ACCURACY).obstacle()
    assert "val_f1" in PopulationEvaluator(task(), Monitor("val_f1")).obstacle()
    assert "criterion" in PopulationEvaluator(task(), ACCURACY, "criterion").obstacle()


def test_a_classifier_with_a_constructor_of_its_own_is_welcome() -> None:
    class Mine(Classifier):
        def __init__(self) -> None:
            super().__init__(mlp(hidden=(8,)), learning_rate=0.05)

        def describe(self) -> str:
            return "mine"

    assert PopulationEvaluator(of(Mine), ACCURACY).obstacle() == ""
