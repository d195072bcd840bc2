"""One process's part of a search: all of it, a worker's share, or a rank's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import optuna
import torch
from optuna.storages import BaseStorage

from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.search.exploration.context import ExplorationContext
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.families import explore
from glo_lightning.search.exploration.rival import explore_rival
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.progress import Progress
from glo_lightning.search.ranges import Range
from glo_lightning.search.records.plan import in_force
from glo_lightning.search.records.verdict import Verdict
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.hyperparameters import RATE_FACTORS, hyperparameters_of
from glo_lightning.search.storage.study import quiet_optuna
from glo_lightning.search.tasks import ProbedTask, probe_tasks
from glo_lightning.search.verdict.judge import Judge
from glo_lightning.training.checks.one_batch import Probe
from glo_lightning.training.distributed import Channel, serve
from glo_lightning.training.kept_memory import freed_memory_kept
from glo_lightning.training.placement import Placement
from glo_lightning.training.task import LEAN_TRAINER, Task, quiet_lightning

SEARCHED = (
    "family",
    "order",
    "inputs",
    "parameters",
    "start",
    "class_aware",
    "joint",
    "tasks",
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
    "attempts",
)
"""Settings that must not change while a search runs; all others may."""

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


def take_part(
    settings: SearchSettings,
    storage: BaseStorage,
    tasks: Mapping[str, Task],
    placement: Placement,
    progress: Progress,
    began: float,
) -> Part | None:
    """Explore and judge, with whoever else works on the study, until both are done.

    Args:
        settings: of the search.
        storage: of its studies.
        tasks: what is trained, by name; one task alone, or several on a single device each.
        placement: of this process.
        progress: told of every generation.
        began: when the search began or was gone on with, in seconds since the epoch.

    Returns:
        Study and verdict; None for a rank that follows another.

    Raises:
        GloError: if something does not fit.
    """
    with freed_memory_kept(), torch_threads(settings.threads), quiet_optuna(), quiet_lightning():
        if placement.rank > 0:
            (probed,) = probe_tasks(settings, tasks)
            serve({"": lambda: probed.task}, task_monitor(settings), settings.loss_attribute, Channel())
            return None
        all_probed = probe_tasks(settings, tasks)
        with Channel() if placement.ranks > 1 else nullcontext() as channel:
            evaluators = EvaluatorFactory(settings, all_probed, channel)
            return _explore_and_judge(settings, storage, evaluators, progress, began)


def _explore_and_judge(
    settings: SearchSettings, storage: BaseStorage, evaluators: EvaluatorFactory, progress: Progress, began: float
) -> Part:
    first, *others = evaluators.tasks
    settings = with_learning_rate(settings, evaluators.tasks)
    fingerprint = {**searched(settings, evaluators.tasks), **task_facts(first.task, first.probe)}
    if others:
        fingerprint |= {f"task {each.name}": task_facts(each.task, each.probe) for each in evaluators.tasks}
    if first.class_counts:
        fingerprint["class_counts"] = list(first.class_counts)
    if settings.outputs == "real":
        fingerprint |= {"target_mean": first.targets.mean, "target_sigma": first.targets.sigma}
    hyperparameters = hyperparameters_of(first.task, settings.joint)
    context = ExplorationContext(settings, storage, fingerprint, evaluators, hyperparameters, progress, began)
    sources = explore(context)
    settings = in_force(settings, sources[0].study)
    context = replace(context, settings=settings)
    rival = explore_rival(context, sources) if settings.comparison_seeds and settings.rival_budget else None
    return Part(sources[0].study, Judge(settings, sources, evaluators, progress, rival).judge())


def with_learning_rate(settings: SearchSettings, tasks: Sequence[ProbedTask]) -> SearchSettings:
    """Search a factor of the learning rate, too, where a factor of a drive loss would not do what that does.

    Residual losses have no factor of their own.
    """
    needed = settings.loss_family == "residual" or (settings.loss_family == "drive" and not tasks[0].probe.plain_sgd)
    if not needed or len(tasks) > 1 or LEARNING_RATE_FACTOR in settings.joint:
        return settings
    return replace(settings, joint={LEARNING_RATE_FACTOR: RATE_FACTORS, **settings.joint})


def searched(settings: SearchSettings, tasks: Sequence[ProbedTask]) -> dict[str, object]:
    """Return the settings that must not change, as JSON values, with what leaving one out means for these tasks."""
    below = {task.abort.below for task in tasks if task.abort is not None}
    is_polynomial = settings.loss_family == "taylor"
    resolved = replace(
        settings,
        family=settings.loss_family,
        parameters=settings.loss_parameters if is_polynomial else settings.parameters,
        start=settings.loss_start,
        population_size=settings.candidates_per_generation,
        sigma=None if settings.loss_family == "glo" else settings.step_size,
        joint={name: replace(each, scale=each.unit) for name, each in settings.joint.items()},
        abort_below=below.pop() if len(below) == 1 else settings.abort_below,
        tasks=tuple(task.name for task in tasks) if settings.tasks else (),
    )
    known_first = {"known_first": True} if settings.opens_with_known else {}
    return {name: _json(getattr(resolved, name)) for name in SEARCHED} | known_first


def task_facts(task: Task, probe: Probe) -> dict[str, Any]:
    """Return what must not change about a task while anything is trained on it, as JSON values."""
    description = dict(task.description)
    trainer = {name: value for name, value in description.pop("trainer", {}).items() if name not in CIRCUMSTANCES}
    return {
        "num_classes": probe.num_classes,
        **({"num_heads": probe.num_heads} if probe.num_heads > 1 else {}),
        "num_weights": probe.num_weights,
        "network": probe.model,
        **({"caveat": probe.caveat} if probe.caveat else {}),
        **{name: _json(value) for name, value in description.items()},
        "trainer": trainer,
        **probe.contents,
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
