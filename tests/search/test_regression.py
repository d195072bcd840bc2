"""Searches for losses of predicted numbers, by every door."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning import LossInjection
from glo_lightning.dashboard.pictures import draw_picture
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.errors import DataError, SettingsError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import HuberLoss, ResidualLoss, StandardizedLoss, load_loss
from glo_lightning.models import Regressor, mlp
from glo_lightning.report.page import build_page
from glo_lightning.search import LossSearch, SearchResult
from glo_lightning.search.records.read import Archive
from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.checks.targets import target_scale
from glo_lightning.training.task import python_task

SMALL: dict[str, Any] = {
    "family": "residual", "outputs": "real", "monitor": "val_mae", "mode": "min", "generations": 2,
    "population_size": 4, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 2, "comparison_epochs": 1,
    "verbosity": "quiet",
}  # fmt: skip
TRAINER = {"accelerator": "cpu", "max_epochs": 2}


class Numbers(TensorDataModule):
    """A number, or several, to predict from four."""

    input_shape = (4,)

    def __init__(self, width: int = 1, spread: float = 3.0) -> None:
        super().__init__(batch_size=16)
        self.width, self.spread = width, spread

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(96, 4, generator=generator)
        targets = self.spread * (inputs @ torch.randn(4, self.width, generator=generator)) + 1.0
        return Splits(*((inputs[start : start + 32], targets[start : start + 32]) for start in (0, 32, 64)))


class Own(LightningModule):
    """A user's model: predictions (N,), and torch's own loss."""

    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)
        self.criterion = nn.MSELoss()
        self.kind = optimizer

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss: Tensor = self.criterion(self.net(batch[0]).squeeze(-1), batch[1].squeeze(-1))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        error = self.net(batch[0]) - batch[1]
        self.log("val_mae", error.abs().mean())
        self.log("val_r2", 1.0 - (error**2).mean() / batch[1].var(correction=0))

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("test_mae", (self.net(batch[0]) - batch[1]).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.01)


def make_model(width: int = 1) -> Regressor:
    return Regressor(mlp(num_classes=width, in_features=4, hidden=(4,)))


def search(folder: Path, model: Any, data: Any, **asked: Any) -> SearchResult:
    return LossSearch(**{**SMALL, **asked}, output_dir=folder, study_name="numbers").run(model, data, TRAINER)


def test_a_search_from_python(tmp_path: Path) -> None:
    result = search(tmp_path, make_model, Numbers())
    assert isinstance(result.discovered_loss, ResidualLoss)
    data = Numbers()
    assert float(result.discovered_loss.sigma) == pytest.approx(float(data.train_tensors[1].std(correction=0)))
    assert set(result.study.trials[0].params) == {"alpha", "log_scale", "skew", LEARNING_RATE_FACTOR}
    assert result.comparison is not None
    names = [each.name for each in result.comparison.results]
    assert names[:2] == ["squared error", "squared error, joint"]
    assert names[-3] == "Huber, tuned"
    assert names[-2].startswith("best known: ")
    assert names[-1] == "discovered"
    assert result.comparison.own == "squared error"
    assert "Huber, tuned: learning rate × " in str(result)
    assert "squared error" in str(result)
    assert "cross-entropy" not in str(result)
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == load_loss(tmp_path / "discovered_loss.json").to_dict()
    assert all(trial.user_attrs["theory"]["exact"] for trial in result.study.trials)
    page = build_page(archive)
    assert "What does it do to outliers?" in page
    assert "Against its rivals" in page
    assert "squared error, joint" in page
    assert "cross-entropy" not in page
    for picture in (0, 1):
        assert b"<svg" in draw_picture(result.discovered_loss, 1, picture)


@pytest.mark.parametrize("evaluator", ["trainer", "population"])
def test_taylor_polynomials_of_target_and_prediction(tmp_path: Path, evaluator: str) -> None:
    asked = {"family": "taylor", "start": "cross_entropy", "sigma": 0.1, "evaluator": evaluator}
    result = search(tmp_path, lambda: make_model(2), Numbers(width=2), **asked)
    assert isinstance(result.discovered_loss, StandardizedLoss)
    scale = target_scale(python_task(make_model, Numbers(width=2)))
    assert (result.discovered_loss.mean.tolist(), result.discovered_loss.sigma.tolist(), "") == scale
    assert "y likewise" in str(result)
    assert result.comparison is not None
    assert result.comparison.baseline == "squared error"
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == result.discovered_loss.to_dict()
    assert "What does it do to outliers?" in build_page(archive)


def test_polynomials_that_start_uphill_do_not_train(tmp_path: Path) -> None:
    result = search(tmp_path, make_model, Numbers(), family="taylor", population_size=16, generations=1,
                    comparison_seeds=0)  # fmt: skip
    exact = [trial.user_attrs["theory"]["exact"] for trial in result.study.trials]
    assert True in exact
    assert False in exact
    assert all(trial.state.name == "PRUNED" for trial, good in zip(result.study.trials, exact, strict=True) if not good)


def test_several_numbers_have_a_spread_each(tmp_path: Path) -> None:
    result = search(tmp_path, lambda: make_model(3), Numbers(width=3), comparison_seeds=0)
    assert isinstance(result.discovered_loss, ResidualLoss)
    assert result.discovered_loss.sigma.shape == (3,)
    assert "σ" in str(result)
    archive = Archive.open(tmp_path)
    assert archive.leader is not None
    assert archive.build(archive.leader).to_dict() == result.discovered_loss.to_dict()


def test_somebodys_own_model_whose_predictions_have_one_dimension(tmp_path: Path) -> None:
    result = search(tmp_path, Own, Numbers(), loss_attribute="criterion", monitor="val_r2", mode="max",
                    comparison_seeds=0)  # fmt: skip
    assert isinstance(result.discovered_loss, ResidualLoss)


def test_the_family_follows_the_outputs() -> None:
    assert [SearchSettings(outputs=each).loss_family for each in ("softmax", "sigmoid", "real")] == [
        "taylor", "taylor", "residual",
    ]  # fmt: skip


def test_diverged_trainings_rank_below_any_r2() -> None:
    assert SearchSettings(outputs="real", family="residual", monitor="val_r2").metric.worst_metric == -1e6
    assert SearchSettings(outputs="real", family="residual", monitor="val_r2", worst_metric=-3.0).metric.worst == -3.0
    assert SearchSettings().metric.worst_metric == 0.0


def test_the_spread_is_of_the_targets_whoever_serves_them() -> None:
    data = Numbers(width=2)
    expected = data.train_tensors[1].double().std(0, correction=0).tolist()
    loaders = [DataLoader(TensorDataset(*data.train_tensors), 5, drop_last=False)] * 2
    for served in (data, tuple(loaders)):
        mean, sigma, caveat = target_scale(python_task(make_model, served), data.train_tensors[1][:5].bfloat16())
        assert not caveat
        assert sigma == pytest.approx(expected)
        assert mean == pytest.approx(data.train_tensors[1].double().mean(0).tolist())


class InLogarithms(Own):
    """Predicts the logarithm of what the data module serves, in batches of its own kind."""

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:  # type: ignore[override]
        loss: Tensor = self.criterion(self.net(batch["x"]).squeeze(-1), batch["y"].squeeze(-1).exp())
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        self.log("val_mae", (self.net(batch["x"]) - batch["y"].exp()).abs().mean())


def test_what_the_loss_sees_counts_where_the_model_transforms_targets(tmp_path: Path) -> None:
    inputs, targets = Numbers().train_tensors
    samples = [{"x": x, "y": y / 5.0} for x, y in zip(inputs, targets, strict=True)]
    loaders = (DataLoader(samples[:16], 16), DataLoader(samples[16:], 16))
    result = search(tmp_path, InLogarithms, loaders, loss_attribute="criterion", comparison_seeds=0)
    assert isinstance(result.discovered_loss, ResidualLoss)
    expected = float((targets[:16] / 5.0).exp().std(correction=0))
    assert float(result.discovered_loss.sigma) == pytest.approx(expected, rel=1e-5)
    assert "one batch of 16" in result.study.user_attrs["search"]["caveat"]


def test_transformed_targets_are_told_from_those_that_are_served() -> None:
    made, targets = python_task(make_model, Numbers()), Numbers().train_tensors[1]
    assert target_scale(made, targets[3:9]).sigma == target_scale(made).sigma
    for seen in (targets[:9].exp(), targets[:9].repeat(1, 2)):
        found = target_scale(made, seen)
        assert found.sigma == pytest.approx(seen.double().std(0, correction=0).squeeze().tolist())
        assert "one batch of 9" in found.caveat


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (torch.full((20, 1), 3.0), "all 3"),
        (torch.tensor([[1.0, 0.0], [2.0, 0.0]]), r"all 0 in columns \[1\]"),
        (torch.tensor([1.0, torch.nan]), "NaN or infinite"),
        (torch.arange(4), "floating targets"),
        (torch.zeros(4, 2, 2), r"\(N, D\)"),
    ],
)
def test_targets_without_a_spread_are_refused(targets: Tensor, words: str) -> None:
    loader = DataLoader(TensorDataset(torch.zeros(len(targets), 4), targets), 2)
    with pytest.raises(DataError, match=words):
        target_scale(python_task(make_model, (loader, loader)))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"family": "residual"}, "Set outputs='real'"),
        ({"family": "drive", "outputs": "real"}, "Set family='residual'"),
        ({"family": "taylor", "outputs": "real", "parameters": "canonical"}, "about classes"),
        ({"family": "taylor", "outputs": "real", "normalize": "drive"}, "about classes"),
        ({"family": "taylor", "outputs": "real", "inputs": ("y", "f")}, "prediction is h"),
        ({"family": "taylor", "outputs": "real", "order": 1, "start": "cross_entropy"}, "order of 2 or more"),
        ({"family": "glo", "outputs": "real"}, "Set family='residual'"),
        ({"family": "residual", "outputs": "real", "invariant": "paper"}, "about classes"),
        ({"family": "residual", "outputs": "real", "normalize": "drive"}, "no normalize"),
        ({"family": "residual", "outputs": "real", "class_aware": True}, "no class_aware"),
        ({"family": "residual", "outputs": "real", "tasks": ("a.yaml", "b.yaml")}, "one task"),
        ({"family": "residual", "outputs": "real", "monitor": "val_mae"}, "mode='min'"),
        ({"family": "residual", "outputs": "real", "monitor": "val_r2", "abort_epoch": 3}, "abort_below"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        LossSearch(**asked)


def test_the_callback_alone_trains_with_the_loss() -> None:
    model = Own()
    loss = HuberLoss(1.0, sigma=3.0)
    trainer = Trainer(**TRAINER, callbacks=[LossInjection(loss, "criterion")], logger=False,
                      enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(model, Numbers())
    assert isinstance(model.criterion, nn.MSELoss)


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("search", ["--search.generations=1", "--search.population_size=4", "--search.comparison_seeds=0",
                    "--search.finalist_seeds=1"], "r = (f − y)/"),
        ("compare", ["--compare.seeds=2", "--losses", "huber", "--baselines", "squared_error", "quantile"], "quantile"),
        ("train", ["--loss", "log_cosh"], "test_r2"),
        ("train", ["--loss", "cross_entropy"], "train_squared_error"),
    ],
)  # fmt: skip
def test_the_command_line_does_the_same(tmp_path: Path, verb: str, arguments: list[str], words: str) -> None:
    config = Path(__file__).parents[2] / "configs" / "diabetes_regression.yaml"
    command = [sys.executable, "-m", f"glo_lightning.{verb}", "--config", str(config), "--trainer.max_epochs=1"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
