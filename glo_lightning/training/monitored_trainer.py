"""A task's Trainer, with what measures the monitored metric where the model itself does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, Trainer

from glo_lightning.callbacks.adversarial_validation import METRICS, AdversarialValidation
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import Task, callbacks_of


def build_trainer(task: Task, monitor: Monitor, callbacks: Sequence[Callback], overrides: Mapping[str, Any]) -> Trainer:
    """Build the task's Trainer, with what measures the accuracy under attack if that is monitored."""
    trainer = task.build_trainer(callbacks, overrides)
    own = callbacks_of(trainer)
    attack = METRICS.get(monitor.name)
    if attack and not any(isinstance(each, AdversarialValidation) and each.attack == attack for each in own):
        own.insert(0, AdversarialValidation(attack=attack))
    return trainer
