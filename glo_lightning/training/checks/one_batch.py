"""Try one batch before a search, so that what cannot work is refused before anything trains."""

import hashlib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor, nn

from glo_lightning.callbacks.injection import LossInjection
from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.losses import Outputs, Reduction, baseline_loss
from glo_lightning.losses.own import describe_own, is_baseline
from glo_lightning.losses.precision import at_least_single
from glo_lightning.losses.promises import name_of, with_reduction
from glo_lightning.options import option
from glo_lightning.theory.descent import FirstBatch
from glo_lightning.training.checks.labels import check_labels
from glo_lightning.training.checks.loaders import require_batches
from glo_lightning.training.checks.logits import refuse_probabilities
from glo_lightning.training.interrupt import keyboard_interrupts
from glo_lightning.training.measured import measured
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.monitored_trainer import build_trainer
from glo_lightning.training.task import Task, quiet_lightning

STOPPABLE: Mapping[str, Any] = {"min_epochs": None, "min_steps": None}
"""Trainer arguments of the try; all others are the user's, for schedules and metrics see the limits of a training."""


@dataclass(frozen=True)
class Probe:
    """What one batch of training and a validation revealed.

    Args:
        num_classes: classes the model's logits have; 2 for sigmoid outputs; of real ones, numbers predicted at once.
        num_heads: heads whose logits the loss gets; 1 without auxiliary heads.
        num_weights: trainable parameters of the model.
        model: its class, and a digest of its layers and hyper-parameters.
        metrics: every metric the validation logged, and its value.
        caveat: what losses in the place of the model's own do without, and what could not be known; a line each.
        own_loss: what the model's own loss is, in words; empty if it is plain cross-entropy, None if it fails.
        plain_sgd: whether a factor of the loss does exactly what a factor of the learning rate does: all optimizers are
            SGD without weight decay, and nothing clips gradients.
        first_batch: of real outputs, what the untrained model predicted; else None.
        contents: digests of a few training and validation samples, by what they are of, where those can be told.
    """

    num_classes: int
    num_heads: int
    num_weights: int
    model: str
    metrics: Mapping[str, float]
    caveat: str = ""
    own_loss: str | None = ""
    plain_sgd: bool = False
    first_batch: FirstBatch | None = None
    contents: Mapping[str, str] = field(default_factory=dict)


def probe_task(
    task: Task, monitor: Monitor, attribute: str = "loss_fn", seed: int = 0, outputs: Outputs = "softmax"
) -> Probe:
    """Train on one batch as everybody does, validate, and check everything a search relies on.

    The Trainer keeps its own limits and length, so that schedules and metrics see what they will see in a training,
    and is stopped after the first batch.

    Args:
        task: the model, the data and the Trainer.
        monitor: the metric that must be logged by validation.
        attribute: where the model keeps its training loss.
        seed: seeds the model.
        outputs: what the model's logits mean.

    Returns:
        What was found.

    Raises:
        DataError: if there are no training or validation data.
        LossError: if logits or labels are not what losses of such outputs take.
        ModelError: if the model does not compute its training loss through ``attribute``, or does not validate.
        SettingsError: if no validation logs the monitor, or the Trainer's limits leave nothing.
    """
    recorder = _Recorder(outputs)
    found = recorder.found
    first_batch, injection = _FirstBatch(found), LossInjection(recorder, attribute)
    with quiet_lightning():
        seed_everything(seed, workers=True, verbose=False)
        model = task.build_model()
        trainer = build_trainer(task, monitor, [injection, first_batch], STOPPABLE)
        if trainer.check_val_every_n_epoch is not None:
            trainer.check_val_every_n_epoch = 1
        with keyboard_interrupts(trainer):
            trainer.fit(model, datamodule=task.datamodule)
            require_batches(trainer, model, task.datamodule)
            logged, metrics = set(trainer.callback_metrics), first_batch.metrics
            if monitor.name not in metrics:  # unless training logs something by the same name
                metrics = measured(trainer, trainer.validate(model, datamodule=task.datamodule, verbose=False))
    if found.num_classes is None:
        raise ModelError(
            f"training_step to compute its loss through {attribute!r}",
            "a training batch that never called it",
            f"Compute the training loss as self.{attribute}(logits, target), or name the attribute by "
            f"{option('loss_attribute')}.",
        )
    if monitor.name not in metrics:
        of_training = f" ({monitor.name} is of training, and depends on the loss)" if monitor.name in logged else ""
        raise SettingsError(
            f"validation to log the monitored metric {monitor.name!r}",
            f"only {sorted(metrics) or 'nothing'}{of_training}",
            f"Log it in validation_step with self.log, or choose another {option('monitor')}.",
        )
    weights = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    own = operator.attrgetter(attribute)(model)
    is_plain = is_baseline(own, outputs)
    failure = "" if is_plain else _try_own(own, found)
    own_loss = None if failure else "" if is_plain else describe_own(own)
    return Probe(
        found.num_classes,
        found.num_heads,
        weights,
        _identify(model),
        metrics,
        "\n".join(filter(None, (injection.caveat, failure))),
        own_loss,
        _is_plain_sgd(trainer),
        found.first_batch,
    )


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
            f"Set {option('worst_metric')} to the worst the metric can be.",
        )


def _try_own(own: Callable[..., Any], found: "_Found") -> str:
    """Return in a line why the model's own loss cannot be computed of the first batch; an empty text if it can."""
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            own(*found.called_with)
    except Exception as error:  # whatever it is, the verdict can do without
        reason = str(error).strip().partition("\n")[0]
        return (
            f"The model's own loss, {name_of(own)}, fails on the first batch ({type(error).__name__}: {reason}): "
            "the verdict does without."
        )
    return ""


def _on_cpu(given: Tensor | tuple[Tensor, ...]) -> Any:
    """Return what a loss was called with where a model is after its training, in a precision that the CPU has."""
    if isinstance(given, tuple):
        return tuple(map(_on_cpu, given))
    return at_least_single(given.detach().cpu())


def _is_plain_sgd(trainer: Trainer) -> bool:
    groups = [(type(optimizer), group) for optimizer in trainer.optimizers for group in optimizer.param_groups]
    plain = all(kind is torch.optim.SGD and not group["weight_decay"] for kind, group in groups)
    return plain and not trainer.gradient_clip_val


def _identify(model: LightningModule) -> str:
    """Tell models apart by what they show of themselves, in words that are the same in every process."""
    shown = re.sub(r" at 0x[0-9a-f]+", "", f"{model!r} {sorted(model.hparams.items())!r}")
    return f"{type(model).__name__} {hashlib.sha256(shown.encode()).hexdigest()[:8]}"


@dataclass
class _Found:
    """What the calls of a loss revealed."""

    num_classes: int | None = None
    num_heads: int = 1
    has_seen_labels: bool = False
    called_with: tuple[Any, ...] = ()
    first_batch: FirstBatch | None = None


class _Recorder(nn.Module):
    """What everybody trains with; it remembers what it saw, also where a view with another reduction was called."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__()
        self.outputs = outputs
        self.loss = baseline_loss(outputs)
        self.reduction: Reduction = "mean"
        self.found = _Found()

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        heads = logits if isinstance(logits, tuple) else (logits,)
        self.found.num_heads = len(heads)
        for head in heads:
            self.found.num_classes = check_labels(head, target, self.outputs)
            refuse_probabilities(head, self.outputs)
            if self.outputs == "real" and self.found.first_batch is None and target.numel():
                self.found.first_batch = FirstBatch(head.detach().cpu(), target.detach().cpu())
        self.found.has_seen_labels = target.numel() > 0
        self.found.called_with = _on_cpu(logits), _on_cpu(target)
        loss: Tensor = with_reduction(self.loss, self.reduction)(logits, target)
        if not torch.isfinite(loss.detach()).all():
            raise ModelError(
                "finite outputs from a freshly built model",
                f"a {'squared error' if self.outputs == 'real' else 'cross-entropy'} of {float(loss.detach().mean())}",
                "Check the inputs for NaN and the initial weights for overflow.",
            )
        return loss


class _FirstBatch(Callback):
    """Ends a fit after the first batch that has labels, and keeps what the validation of it logs."""

    def __init__(self, found: _Found) -> None:
        self.found = found
        self.metrics: dict[str, float] = {}
        self._of_training: set[str] = set()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.strategy.reduce_boolean_decision(self.found.has_seen_labels, all=False):
            trainer.should_stop = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._of_training = set(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            metrics = trainer.callback_metrics
            self.metrics = {name: float(metrics[name]) for name in metrics if name not in self._of_training}
