"""Models that somebody holds are built again for every training, or refused with a cure."""

import copy
import pickle
from typing import Any

import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.training.model_instances import NewModels
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel


class Keeps(ToyModel):
    """A model that keeps its arguments, and whose weights begin in a way of its own."""

    def __init__(self, width: int = 5, bias: float = 0.5) -> None:
        super().__init__(width)
        self.save_hyperparameters()
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.constant_(parameter, bias)


class Late(ToyModel):
    """A model whose weights are made by configure_model."""

    def __init__(self) -> None:
        super().__init__()
        self.net: Any = None

    def configure_model(self) -> None:
        if self.net is None:
            self.net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def metric(model: Any, seed: int, start_from: Any = "scratch") -> float:
    evaluator = TrainerEvaluator(python_task(model, ToyData(), TRAINER, start_from), Monitor("val_loss", "min"))
    return evaluator.evaluate([Run(CrossEntropyLoss(), seed)])[0].metric


def test_from_scratch_a_model_trains_as_one_that_its_class_makes() -> None:
    model = Keeps(7, bias=0.1)
    before = copy.deepcopy(model.state_dict())
    for seed in (0, 1):
        assert metric(model, seed) == metric(lambda: Keeps(7, bias=0.1), seed)
    torch.testing.assert_close(model.state_dict(), before)


def test_weights_that_are_made_late_are_those_of_the_seed() -> None:
    model = Late()
    assert metric(model, 0) == metric(model, 0) != metric(model, 1)
    assert model.net is None


def test_with_weights_every_training_begins_with_them() -> None:
    model = ToyModel()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    built = NewModels(model, "weights")
    first, second = built(), built()
    assert first is not second
    for mine, own, others in zip(model.parameters(), first.parameters(), second.parameters(), strict=True):
        assert mine is not own
        assert own is not others
        torch.testing.assert_close(mine, own)
    assert metric(model, 0, "weights") != metric(ToyModel, 0)
    assert metric(model, 0, "weights") == metric(model, 0, "weights")
    assert python_task(model, ToyData(), TRAINER, "weights").description["start_from"] == "weights"


def test_another_process_builds_the_same() -> None:
    model = Keeps(7)
    builder = pickle.loads(pickle.dumps(NewModels(model, "weights")))  # noqa: S301
    torch.testing.assert_close(dict(builder().state_dict()), dict(model.state_dict()))


class Forgets(ToyModel):
    def __init__(self, width: int = 5, bias: float = 0.5) -> None:
        super().__init__(width)


class Narrower(Keeps):
    """A model whose base class keeps arguments that it does not take itself."""

    def __init__(self, depth: int = 1) -> None:
        super().__init__(width=3, bias=0.1)
        self.depth = depth


def test_arguments_of_a_base_class_are_its_own_business() -> None:
    built = NewModels(Narrower(2))()
    assert isinstance(built, Narrower)
    assert built.depth == 2
    assert metric(Narrower(2), 0) == metric(lambda: Keeps(3, bias=0.1), 0)


class Given(ToyModel):
    def __init__(self, network: nn.Module, criterion: nn.Module) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net, self.loss_fn = network, criterion


def changed_number() -> LightningModule:
    model = Keeps()
    model.learning_rate = 7.0
    return model


def changed_loss() -> LightningModule:
    model = Keeps()
    model.loss_fn = nn.MultiMarginLoss()
    return model


def changed_option() -> LightningModule:
    """Change what neither the text nor the buffers of a loss tell."""
    model = Keeps()
    model.loss_fn = nn.CrossEntropyLoss(label_smoothing=0.3)
    return model


class Weighted(Keeps):
    """A model with class weights, a buffer drawn at random, and statistics that training learns."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.loss_fn = nn.CrossEntropyLoss(weight=torch.ones(3))
        self.register_buffer("drawn", torch.randn(4))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(super().forward(x))


def changed_buffer() -> LightningModule:
    model: Any = Weighted()
    model.loss_fn.weight[0] = 5.0
    return model


def changed_hyperparameter() -> LightningModule:
    model = Keeps()
    model.hparams["bias"] = 7.0
    return model


def changed_list() -> LightningModule:
    model: Any = Keeps()
    model.milestones = [1, 2]
    return model


def frozen() -> LightningModule:
    model = Keeps()
    model.net[0].requires_grad_(False)
    return model


@pytest.mark.parametrize(
    "model, said",
    [
        (Forgets(), "did not keep width, bias"),
        (Classifier(mlp()), "did not keep network"),
        (changed_number(), "changed afterwards: learning_rate"),
        (changed_loss(), "changed afterwards: loss_fn"),
        (changed_option(), "changed afterwards: loss_fn.label_smoothing"),
        (changed_buffer(), "changed afterwards: loss_fn.weight"),
        (changed_hyperparameter(), "changed afterwards: hparams.bias"),
        (changed_list(), "changed afterwards: milestones"),
        (frozen(), "which of them are trained"),
        (Given(nn.Linear(4, 3), nn.CrossEntropyLoss()), "given network, weights and all"),
    ],
    ids=["forgets", "network", "number", "loss", "option", "buffer", "hyperparameter", "list", "frozen", "weights"],
)
def test_what_would_come_out_otherwise_is_refused_and_every_cure_works(model: LightningModule, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        python_task(model, ToyData(), TRAINER)
    assert "Pass the class" in caught.value.cure
    assert "start_from='weights'" in caught.value.cure
    python_task(lambda: type(model)(), ToyData(), TRAINER)
    python_task(model, ToyData(), TRAINER, "weights")


def test_what_training_learns_and_what_is_drawn_at_random_may_differ() -> None:
    model: Any = Weighted()
    model.norm.running_mean.add_(1.0)
    python_task(model, ToyData(), TRAINER)


def test_a_start_is_one_of_two() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean start_from='weights'\?"):
        python_task(Keeps(), ToyData(), TRAINER, "weight")  # type: ignore[arg-type]


def test_a_model_that_changes_its_arguments_changes_those_of_no_other() -> None:
    builder = NewModels(Pops({"width": 5}))
    assert builder().net[0].out_features == builder().net[0].out_features == 5


class Pops(ToyModel):
    def __init__(self, sizes: dict[str, int]) -> None:
        self.save_hyperparameters()
        super().__init__(sizes.pop("width", 7))


def test_weights_want_a_model() -> None:
    with pytest.raises(ModelError, match="start_from='weights' and a"):
        python_task(ToyModel, ToyData(), TRAINER, "weights")


def test_a_search_takes_a_model(tmp_path: Any) -> None:
    settings: dict[str, Any] = {
        "generations": 1, "population_size": 4, "start": "zeros", "finalists": 1, "finalist_seeds": 1,
        "comparison_seeds": 0, "verbosity": "quiet",
    }  # fmt: skip
    search = LossSearch(**settings, output_dir=tmp_path / "held")
    loaders = {"train_dataloaders": ToyData().train_dataloader(), "val_dataloaders": ToyData().val_dataloader()}
    result = search.run(Keeps(), ToyData(), TRAINER)
    held = result.to_frame()["metric"]
    trained, again, other = result.train(3), result.train(3), result.train(4)
    assert type(trained.loss_fn) is nn.CrossEntropyLoss
    torch.testing.assert_close(trained.state_dict(), again.state_dict())
    assert not torch.equal(next(trained.parameters()), next(other.parameters()))
    made = LossSearch(**settings, output_dir=tmp_path / "made").run(Keeps, ToyData(), TRAINER).to_frame()["metric"]
    pd.testing.assert_series_equal(held, made)
    by_loaders = LossSearch(**settings, output_dir=tmp_path / "loaders").run(Keeps(), None, TRAINER, **loaders)
    assert by_loaders.to_frame()["metric"].notna().any()
    with pytest.raises(DataError, match="both"):
        search.run(Keeps(), ToyData(), TRAINER, **loaders)
    with pytest.raises(DataError, match="neither"):
        search.run(Keeps())
    with pytest.raises(DataError, match="none as train_dataloaders="):
        search.run(Keeps(), val_dataloaders=loaders["val_dataloaders"])
    for seed in (-1, 1.5, "one", True):
        with pytest.raises(SettingsError, match="seed"):
            result.train(seed)  # type: ignore[arg-type]
