"""One process's part of a search: all of it, a worker's share, or a rank's."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass

import optuna
import torch
from optuna.storages import BaseStorage

from glo_lightning.errors import SettingsError
from glo_lightning.search.evaluators import EvaluatorFactory
from glo_lightning.search.hyperparameters import hyperparameters_of
from glo_lightning.search.progress import Progress
from glo_lightning.search.ranges import Range
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.stages import Bench, explore
from glo_lightning.search.storage import open_storage
from glo_lightning.search.study import quiet_optuna
from glo_lightning.search.verdict import Judge, Verdict
from glo_lightning.training.distributed import Channel, serve
from glo_lightning.training.evaluation import Monitor
from glo_lightning.training.placement import Placement
from glo_lightning.training.probe import Probe, probe_task
from glo_lightning.training.task import LEAN_TRAINER, Task, max_epochs
from glo_lightning.training.watch import AbortRule

CHANCE_FACTOR = 1.5
"""Times chance below which a training is hopeless. Source: arXiv:2010.00788, 0.15 for ten classes."""

SEARCHED = (
    "family",
    "order",
    "inputs",
    "parameters",
    "start",
    "joint",
    "normalize",
    "population_size",
    "sigma",
    "invariant",
    "on_violation",
    "outputs",
    "monitor",
    "mode",
    "seed",
    "pruner",
    "abort_epoch",
    "abort_below",
    "screen",
    "known",
)
"""Settings that must not change while a search runs; the others may, from one run to the next."""

CIRCUMSTANCES = {*LEAN_TRAINER, "accelerator", "num_nodes", "strategy", "default_root_dir"}
"""Trainer arguments that say where to train and what to show; a search may continue with others."""


@dataclass(frozen=True)
class Part:
    """What a finished part leaves.

    Args:
        study: with every candidate.
        verdict: the end of the search, the same for all who took part.
    """

    study: optuna.Study
    verdict: Verdict


def take_part(settings: SearchSettings, task: Task, placement: Placement, progress: Progress) -> Part | None:
    """Explore and judge, with whoever else works on the study, until both are done.

    Args:
        settings: of the search, with a storage.
        task: what is trained.
        placement: of this process.
        progress: told of every generation.

    Returns:
        Study and verdict; None for a rank that follows another.

    Raises:
        GloError: if something does not fit.
    """
    monitor = Monitor(settings.monitor, settings.mode, settings.worst_metric)
    with torch_threads(settings.threads), quiet_optuna():
        if placement.rank > 0:
            probe_task(task, monitor, settings.loss_attribute, settings.seed, settings.outputs)
            serve(task, monitor, settings.loss_attribute, Channel())
            return None
        assert settings.storage is not None
        storage = open_storage(settings.storage)
        probe = probe_task(task, monitor, settings.loss_attribute, settings.seed, settings.outputs)
        with Channel() if placement.ranks > 1 else nullcontext() as channel:
            evaluators = EvaluatorFactory(settings, task, monitor, channel)
            return _explore_and_judge(settings, task, storage, probe, evaluators, progress)


def _explore_and_judge(
    settings: SearchSettings,
    task: Task,
    storage: BaseStorage,
    probe: Probe,
    evaluators: EvaluatorFactory,
    progress: Progress,
) -> Part:
    epochs = max_epochs(task)
    bench = Bench(
        settings,
        storage,
        _fingerprint(settings, task, probe),
        evaluators,
        hyperparameters_of(task, settings.joint),
        probe.num_classes,
        epochs,
        _abort_rule(settings, probe.num_classes, epochs),
        progress,
    )
    sources = explore(bench)
    return Part(sources[0].study, Judge(settings, sources, evaluators, probe.num_classes).judge(progress))


def _abort_rule(settings: SearchSettings, num_classes: int, epochs: int) -> AbortRule | None:
    if settings.abort_epoch is None:
        return None
    if settings.abort_epoch >= epochs - 1:
        raise SettingsError(
            f"abort_epoch below {epochs - 1}, the last epoch of a training",
            repr(settings.abort_epoch),
            "Lower --search.abort_epoch, or leave it out.",
        )
    below = CHANCE_FACTOR / num_classes if settings.abort_below is None else settings.abort_below
    return AbortRule(below, settings.abort_epoch, settings.attempts)


def _fingerprint(settings: SearchSettings, task: Task, probe: Probe) -> dict[str, object]:
    description = dict(task.description)
    trainer = {name: value for name, value in description.pop("trainer", {}).items() if name not in CIRCUMSTANCES}
    return {
        **{name: _json(getattr(settings, name)) for name in SEARCHED},
        "num_classes": probe.num_classes,
        "num_weights": probe.num_weights,
        "network": probe.model,
        **{name: _json(value) for name, value in description.items()},
        "trainer": trainer,
    }


def _json(value: object) -> object:
    if isinstance(value, dict):
        return {name: asdict(each) if isinstance(each, Range) else each for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Limit torch's CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
