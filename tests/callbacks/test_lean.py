"""Callbacks that Lightning calls in a batch only for what they do in it."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.profilers import SimpleProfiler

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.callbacks.lean import BATCH_HOOKS
from glo_lightning.callbacks.report import MetricReport
from glo_lightning.callbacks.validated_weights import ValidatedWeights
from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import MeanSquaredErrorLoss
from glo_lightning.models import Classifier, mlp


class Derived(LossInjection):
    """Somebody's own, with a hook that its base leaves to Lightning."""

    def __init__(self) -> None:
        super().__init__(MeanSquaredErrorLoss())
        self.gradients = 0

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        super().on_after_backward(trainer, pl_module)
        self.gradients += 1


def test_hooks_of_a_batch_are_called_where_a_class_has_them() -> None:
    profiler, derived = SimpleProfiler(), Derived()
    report = MetricReport("val_accuracy", lambda epoch, metric: False)
    trainer = Trainer(
        max_epochs=1, limit_train_batches=3, accelerator="cpu", profiler=profiler, logger=False,
        callbacks=[derived, StopOnDivergence(), report, ValidatedWeights()], enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(mlp()), DigitsDataModule())
    called = {action.removeprefix("[Callback]") for action in profiler.recorded_durations if "[Callback]" in action}
    of_batches = {name for name in called if name.rpartition(".")[2] in BATCH_HOOKS}
    assert of_batches == {
        "Derived.on_train_batch_start",
        "Derived.on_after_backward",
        "Derived.on_train_batch_end",
        "StopOnDivergence.on_train_batch_end",
    }
    assert derived.gradients == 3
    assert {"MetricReport.on_validation_end", "ValidatedWeights.on_validation_epoch_end"} <= called
    assert report.metric is not None
