"""The tasks of a search and what a first batch of each revealed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.losses import Outputs
from glo_lightning.options import option
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.settings import SearchSettings
from glo_lightning.theory.descent import FirstBatch
from glo_lightning.training.abort import AbortRule
from glo_lightning.training.checks.class_counts import count_classes
from glo_lightning.training.checks.models import require_fresh_models
from glo_lightning.training.checks.one_batch import Probe, probe_task, require_worst
from glo_lightning.training.checks.splits import Findings, look_at_splits
from glo_lightning.training.checks.targets import UNIT, TargetScale, target_scale
from glo_lightning.training.task import Task, max_epochs
from glo_lightning.training.test_split import require_test

CHANCE_FACTOR = 1.5
"""Times chance below which a training is hopeless. Source: arXiv:2010.00788, 0.15 for ten classes."""

FULL_LENGTH = 4
"""Epochs of a full training per epoch of a partial one, unless the settings say otherwise."""


@dataclass(frozen=True)
class ProbedTask:
    """A task of a search.

    Args:
        name: empty if it is the only one.
        task: the model, the data and the Trainer.
        probe: what its first batch revealed.
        epochs: of a partial training.
        full_epochs: of a full training.
        abort: when a training is given up; None for never.
        class_counts: training samples of each class, if losses shall know them.
        targets: of real outputs, mean and standard deviation of the training targets.
    """

    name: str
    task: Task
    probe: Probe
    epochs: int
    full_epochs: int
    abort: AbortRule | None
    class_counts: tuple[int, ...] = ()
    targets: TargetScale = UNIT

    @property
    def start(self) -> int | FirstBatch:
        """Where training starts: at outputs of 1 / C for C classes, or at predictions of an untrained model."""
        return self.probe.num_classes if self.probe.first_batch is None else self.probe.first_batch

    @property
    def relative_length(self) -> float:
        """How long a full training is, in partial ones."""
        return self.full_epochs / self.epochs

    @property
    def num_classes(self) -> int:
        """Classes of the task."""
        return self.probe.num_classes


def predicted(count: int, outputs: Outputs) -> str:
    """Say what a model predicts: so many classes or, of real outputs, numbers.

    Example:
        >>> predicted(10, "softmax"), predicted(1, "real"), predicted(3, "real")
        ('10 classes', 'a number', '3 numbers')
    """
    if outputs != "real":
        return f"{count} classes"
    return "a number" if count == 1 else f"{count} numbers"


def full_epochs(settings: SearchSettings, epochs: int) -> int:
    """Return the epochs of a full training, given those of a partial one."""
    return FULL_LENGTH * epochs if settings.comparison_epochs is None else settings.comparison_epochs


def probe_tasks(settings: SearchSettings, tasks: Mapping[str, Task]) -> list[ProbedTask]:
    """Try one batch of every task.

    Raises:
        GloError: if something does not fit, with the name of the task if there are several.
    """
    probed = []
    for name, task in tasks.items():
        with naming(name):
            each = probe(settings, name, task)
        assert each is not None
        probed.append(each)
    if len({each.probe.num_heads for each in probed}) > 1:
        raise SettingsError(
            "as many heads in every task",
            ", ".join(f"{each.probe.num_heads} in {each.name}" for each in probed),
            "Leave auxiliary heads out, or give all networks as many.",
        )
    if len({each.num_classes for each in probed}) > 1:
        _refuse_what_depends_on_classes(settings, probed)
    return probed


@contextmanager
def naming(task: str) -> Iterator[None]:
    """Say in errors which task they are about, unless it is the only one, whose name is empty."""
    try:
        yield
    except GloError as error:
        if not task:
            raise
        raise type(error)(f"for task {task} {error.expected}", error.got, error.cure) from error


T = TypeVar("T")


class Attempt(Protocol):
    """Runs one check."""

    def __call__(self, check: Callable[[], T]) -> T | None:
        """Return what a check returns; None if it refused and that was noted."""
        ...


def refuse_at_once(check: Callable[[], T]) -> T:
    """Run one check, and let it raise."""
    return check()


def probe(settings: SearchSettings, name: str, task: Task, attempt: Attempt = refuse_at_once) -> ProbedTask | None:
    """Try one batch of a task, and check all that a search relies on.

    Args:
        settings: of the search.
        name: of the task; empty if it is the only one.
        task: the model, the data and the Trainer.
        attempt: runs each check; raises the first error unless it is told to go on.

    Returns:
        What was found; None if an error was noted.
    """
    monitor = task_monitor(settings)
    epochs = attempt(lambda: max_epochs(task))
    shared = attempt(lambda: require_fresh_models(task))
    found = attempt(lambda: probe_task(task, monitor, settings.loss_attribute, settings.seed, settings.outputs))
    if found is not None:
        attempt(lambda: require_worst(found, monitor))
    if shared is not None:
        attempt(shared.require_unchanged)
    if settings.comparison_seeds:
        attempt(lambda: require_test(task, monitor))
    splits = attempt(lambda: look_at_splits(task, monitor.name, tested=settings.comparison_seeds > 0)) or Findings("")
    if epochs is None or found is None:
        return None
    caveat = "\n".join(filter(None, (found.caveat, splits.doubt)))
    probed = replace(found, caveat=caveat, contents=splits.contents)
    abort = attempt(lambda: _abort_rule(settings, probed.num_classes, epochs))
    attempt(lambda: _check_outputs(settings, probed))
    class_counts = attempt(lambda: count_classes(task, probed.num_classes)) if settings.class_aware else ()
    targets = attempt(lambda: _target_scale(task, probed)) if settings.outputs == "real" else None
    caveat = "\n".join(filter(None, (probed.caveat, (targets or UNIT).caveat)))
    return ProbedTask(
        name,
        task,
        replace(probed, caveat=caveat),
        epochs,
        full_epochs(settings, epochs),
        abort,
        class_counts or (),
        targets or UNIT,
    )


def _target_scale(task: Task, probe: Probe) -> TargetScale:
    return target_scale(task, None if probe.first_batch is None else probe.first_batch.targets)


def _check_outputs(settings: SearchSettings, probe: Probe) -> None:
    if probe.num_heads > 1 and settings.outputs != "softmax":
        raise SettingsError(
            "softmax outputs of several heads", settings.outputs, f"Use {option('outputs', 'softmax')}."
        )
    if settings.class_aware and settings.outputs != "softmax":
        raise SettingsError(
            "softmax outputs for losses that know how frequent classes are",
            settings.outputs,
            f"Leave {option('class_aware')} out; search weights of the questions by {option('joint')}.",
        )


def _abort_rule(settings: SearchSettings, num_classes: int, epochs: int) -> AbortRule | None:
    if settings.abort_epoch is None:
        return None
    if settings.abort_epoch >= epochs - 1:
        raise SettingsError(
            f"abort_epoch below {epochs - 1}, the last epoch of a training",
            repr(settings.abort_epoch),
            f"Lower {option('abort_epoch')}, or leave it out.",
        )
    below = CHANCE_FACTOR / num_classes if settings.abort_below is None else settings.abort_below
    return AbortRule(below, settings.abort_epoch, settings.attempts)


def _refuse_what_depends_on_classes(settings: SearchSettings, probed: Sequence[ProbedTask]) -> None:
    has_and_needs = {
        "family": (settings.loss_family, "taylor"),
        "parameters": (settings.loss_parameters, "theta"),
        "normalize": (settings.normalize, "none"),
    }
    for name, (value, needed) in has_and_needs.items():
        if value != needed:
            raise SettingsError(
                f"as many classes in every task with {option(name, value)}, because losses depend on them",
                ", ".join(f"{each.num_classes} in {each.name}" for each in probed),
                f"Use {option(name, needed)}.",
            )
