"""A factor of the learning rate is what configuring another learning rate would be."""

import math
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from glo_lightning.callbacks.learning_rate import LearningRateFactor
from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import SettingsError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import CrossEntropyLoss, ScaledLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator

FACTOR = 0.25
KINDS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "weight_decay": 1e-3},
    "steps": {"momentum": 0.9, "scheduler": "step", "milestones": (1,)},
    "cosine": {"optimizer": "adam", "scheduler": "cosine"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
}


def fit(rate: float, kind: dict[str, Any], callbacks: list[Any], **options: Any) -> tuple[Tensor, Trainer]:
    seed_everything(0, workers=True, verbose=False)
    model = Classifier(mlp(), learning_rate=rate, **kind)
    trainer = Trainer(
        max_epochs=2, accelerator="cpu", callbacks=callbacks, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_train_batches=3, limit_val_batches=1,
    )  # fmt: skip
    trainer.fit(model, DigitsDataModule(), **options)
    return parameters_to_vector(model.parameters()).detach(), trainer


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_it_is_another_learning_rate(kind: dict[str, Any]) -> None:
    found, trainer = fit(0.04, kind, [LearningRateFactor(FACTOR)])
    expected, other = fit(0.04 * FACTOR, kind, [])
    torch.testing.assert_close(found, expected)
    # What schedules and loggers see is the configured rate.
    for own, theirs in zip(trainer.optimizers, other.optimizers, strict=True):
        assert own.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"] / FACTOR)


def test_a_fit_that_goes_on_is_multiplied_once(tmp_path: Any) -> None:
    weights = []
    for rate, factor in ((0.04, FACTOR), (0.04 * FACTOR, 1.0)):
        _, trainer = fit(rate, KINDS["steps"], [LearningRateFactor(factor), StopEarly()])
        trainer.save_checkpoint(tmp_path / "half.ckpt")
        weights.append(fit(rate, KINDS["steps"], [LearningRateFactor(factor)], ckpt_path=tmp_path / "half.ckpt")[0])
    torch.testing.assert_close(*weights)


class StopEarly(Callback):
    """Ends a fit after its first epoch."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        trainer.should_stop = True


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_what_is_no_factor_is_refused(factor: float) -> None:
    with pytest.raises(SettingsError, match="above 0"):
        LearningRateFactor(factor)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_model_of_a_population_has_its_own(kind: dict[str, Any]) -> None:
    trainer = {"max_epochs": 2, "accelerator": "cpu", "precision": "64-true"}
    data = DigitsDataModule(batch_size=128)
    task = python_task(lambda: Classifier(mlp(), learning_rate=0.02, **kind), data, trainer)
    runs = [
        Run(CrossEntropyLoss(), 3, hyperparameters={LEARNING_RATE_FACTOR: factor} if factor != 1.0 else {})
        for factor in (0.1, 1.0, 3.0)
    ]
    monitor = Monitor("val_loss", "min")
    together, apart = (make(task, monitor).evaluate(runs) for make in (PopulationEvaluator, TrainerEvaluator))
    assert [each.metric for each in together] == pytest.approx([each.metric for each in apart], rel=1e-6)
    assert len({round(each.metric, 6) for each in together}) == 3


def test_models_that_leave_take_their_factor_along() -> None:
    data = DigitsDataModule(batch_size=128)
    task = python_task(lambda: Classifier(mlp()), data, {"max_epochs": 1, "accelerator": "cpu"})
    bad = Run(ScaledLoss(CrossEntropyLoss(), 1e38), 0, hyperparameters={LEARNING_RATE_FACTOR: 7.0})
    good = Run(CrossEntropyLoss(), 0, hyperparameters={LEARNING_RATE_FACTOR: 0.5})
    evaluator = PopulationEvaluator(task, Monitor())
    alone, (first, second) = evaluator.evaluate([good]), evaluator.evaluate([bad, good])
    assert first.status is Status.DIVERGED
    assert second.metric == pytest.approx(alone[0].metric, abs=0.01)
