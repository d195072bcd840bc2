"""Try one batch before a search, so that what cannot work is refused before anything trains."""

import hashlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule, seed_everything
from torch import Tensor, nn

from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss, Outputs, for_outputs
from glo_lightning.training.checks.labels import check_labels
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import Task, quiet_lightning
from glo_lightning.training.test_split import merged
from glo_lightning.training.trainer import build_trainer

ONE_BATCH: Mapping[str, Any] = {
    "max_epochs": 1,
    "limit_train_batches": 1,
    "limit_val_batches": 1,
    "check_val_every_n_epoch": 1,
    "val_check_interval": 1.0,
}
"""Trainer arguments of the try."""


@dataclass(frozen=True)
class Probe:
    """What one batch of training and validation revealed.

    Args:
        num_classes: classes the model's logits have; 2 for sigmoid outputs.
        num_heads: heads whose logits the loss gets; 1 without auxiliary heads.
        num_weights: trainable parameters of the model.
        model: its class, and a digest of its layers and hyper-parameters.
        metrics: every metric the validation logged, and its value.
    """

    num_classes: int
    num_heads: int
    num_weights: int
    model: str
    metrics: Mapping[str, float]


def probe_task(
    task: Task, monitor: Monitor, attribute: str = "loss_fn", seed: int = 0, outputs: Outputs = "softmax"
) -> Probe:
    """Train and validate on one batch with cross-entropy, and check everything a search relies on.

    Args:
        task: the model, the data and the Trainer.
        monitor: the metric that must be logged by validation.
        attribute: where the model keeps its training loss.
        seed: seeds the model.
        outputs: what the model's logits mean.

    Returns:
        What was found.

    Raises:
        LossError: if logits or labels are not what losses of such outputs take.
        ModelError: if the model does not compute its training loss through ``attribute``.
        SettingsError: if no validation logs the monitor.
    """
    recorder = _Recorder(outputs)
    with quiet_lightning():
        seed_everything(seed, workers=True, verbose=False)
        model = task.build_model()
        trainer = build_trainer(
            task,
            monitor,
            [LossInjection(recorder, attribute)],
            ONE_BATCH,
        )
        with keyboard_interrupts(trainer):
            trainer.fit(model, datamodule=task.datamodule)
            logged = set(trainer.callback_metrics)
            validated = trainer.validate(model, datamodule=task.datamodule, verbose=False)
    if recorder.num_classes is None:
        raise ModelError(
            f"training_step to compute its loss through {attribute!r}",
            "a training batch that never called it",
            "Compute the training loss as self.loss_fn(logits, target), or name the attribute, as with "
            "--search.loss_attribute.",
        )
    metrics = merged(validated)
    if monitor.name not in metrics:
        of_training = f" ({monitor.name} is of training, and depends on the loss)" if monitor.name in logged else ""
        raise SettingsError(
            f"validation to log the monitored metric {monitor.name!r}",
            f"only {sorted(metrics) or 'nothing'}{of_training}",
            "Log it in validation_step with self.log, or choose another monitor, as with --search.monitor.",
        )
    weights = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Probe(recorder.num_classes, recorder.num_heads, weights, _identify(model), metrics)


def require_worst(probe: Probe, monitor: Monitor) -> None:
    """Refuse a metric that can be worse than what a diverged training gets, which nothing should be.

    Raises:
        SettingsError: if the untrained model's metric is.
    """
    metric, worst = probe.metrics[monitor.name], monitor.worst_metric
    if monitor.is_better(worst, than=metric):
        raise SettingsError(
            f"a {monitor.name} that is never worse than a diverged training's, {worst:g}",
            f"{metric:.4g} of the untrained model",
            "Set the worst the metric can be, as with --search.worst_metric.",
        )


def _identify(model: LightningModule) -> str:
    """Tell models apart by what they show of themselves, in words that are the same in every process."""
    shown = re.sub(r" at 0x[0-9a-f]+", "", f"{model!r} {sorted(model.hparams.items())!r}")
    return f"{type(model).__name__} {hashlib.sha256(shown.encode()).hexdigest()[:8]}"


class _Recorder(nn.Module):
    """Cross-entropy that remembers how many classes it saw."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__()
        self.outputs = outputs
        self.loss = for_outputs(CrossEntropyLoss(), outputs)
        self.num_classes: int | None = None
        self.num_heads = 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            inspect.signature(self.forward).bind(*args, **kwargs)
        except TypeError as error:
            raise ModelError(
                "a training_step that calls its loss with logits and target",
                f"a call that does not fit: {error}",
                "Call self.loss_fn(logits, target), and leave other arguments to the loss itself.",
            ) from None
        return super().__call__(*args, **kwargs)

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        heads = logits if isinstance(logits, tuple) else (logits,)
        self.num_heads = len(heads)
        for head in heads:
            self.num_classes = check_labels(head, target, self.outputs)
        loss: Tensor = self.loss(logits, target)
        if not torch.isfinite(loss.detach()):
            raise ModelError(
                "finite logits from a freshly built model",
                "a cross-entropy of " + str(loss.item()),
                "Check the inputs for NaN and the initial weights for overflow.",
            )
        return loss
