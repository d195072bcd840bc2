"""Run a search from its settings to its files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import optuna
import torch
from rich.console import Console

from glo_lightning.search.explorer import Explorer
from glo_lightning.search.output import SearchOutput
from glo_lightning.search.progress import Progress
from glo_lightning.search.records import GenerationSummary, read_candidates, summarize_generations
from glo_lightning.search.result import SearchResult, candidate_frame
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.space import LossSpace, make_space
from glo_lightning.search.storage import open_storage
from glo_lightning.search.study import open_study, quiet_optuna
from glo_lightning.search.verdict import Judge
from glo_lightning.theory import trainability
from glo_lightning.training.evaluation import Monitor
from glo_lightning.training.probe import Probe, probe_task
from glo_lightning.training.task import Task
from glo_lightning.training.trainer import TrainerEvaluator


SEARCHED = (
    "family",
    "order",
    "inputs",
    "parameters",
    "start",
    "normalize",
    "population_size",
    "sigma",
    "invariant",
    "on_violation",
    "monitor",
    "mode",
    "seed",
)
"""Settings that must not change while a search runs; the others may, from one run to the next."""


def run_search(settings: SearchSettings, task: Task, console: Console | None = None) -> SearchResult:
    """Search, choose and compare; continue where an earlier run of the same study stopped.

    Args:
        settings: what to search, and how.
        task: the model, the data and the Trainer.
        console: where progress goes; standard output by default.

    Returns:
        The best loss, the study and the comparison; the files are in the output folder.

    Raises:
        GloError: if settings, task, output folder or study do not fit, before anything trains.
    """
    output = SearchOutput.of(settings)
    monitor = Monitor(settings.monitor, settings.mode, settings.worst_metric)
    progress = Progress(settings.generations, console or Console())
    with torch_threads(settings.threads), quiet_optuna():
        probe = probe_task(task, monitor, settings.loss_attribute, settings.seed)
        space = make_space(settings, probe.num_classes)
        sampler = _make_sampler(settings, space, probe)
        study = open_study(
            settings.study_name,
            open_storage(settings.storage or output.storage_url),
            sampler,
            "maximize" if settings.mode == "max" else "minimize",
            _fingerprint(settings, task, probe),
        )
        study.set_metric_names([settings.monitor])
        _explore(settings, study, sampler, space, task, monitor, probe, progress)
        output.write_settings(settings)
        output.write_trials(candidate_frame(study))
        judge = Judge(settings, study, space, task, monitor, probe.num_classes)
        verdict = judge.judge(progress)
    output.write_best_loss(verdict.loss)
    output.write_comparison(verdict.to_dict())
    return SearchResult(verdict.loss, study, verdict.comparison, output.folder)


def _make_sampler(settings: SearchSettings, space: LossSpace, probe: Probe) -> GenerationalCmaEsSampler:
    names = list(space.distributions)

    def is_feasible(theta: np.ndarray) -> bool:
        loss = space.build(dict(zip(names, theta.tolist(), strict=True)))
        return bool(getattr(trainability(loss, probe.num_classes), settings.invariant))

    resample = settings.invariant != "none" and settings.on_violation == "resample"
    return GenerationalCmaEsSampler(
        space.distributions,
        population_size=settings.candidates_per_generation,
        sigma=settings.sigma,
        mean=space.cross_entropy if settings.start == "cross_entropy" else None,
        seed=settings.seed,
        is_feasible=is_feasible if resample else None,
        max_generations=settings.generations,
    )


def _fingerprint(settings: SearchSettings, task: Task, probe: Probe) -> dict[str, object]:
    return {
        **{name: _json(getattr(settings, name)) for name in SEARCHED},
        "num_classes": probe.num_classes,
        "num_weights": probe.num_weights,
        **{name: _json(value) for name, value in task.description.items()},
    }


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _explore(
    settings: SearchSettings,
    study: optuna.Study,
    sampler: GenerationalCmaEsSampler,
    space: LossSpace,
    task: Task,
    monitor: Monitor,
    probe: Probe,
    progress: Progress,
) -> None:
    def complete() -> Sequence[GenerationSummary]:
        summaries = summarize_generations(read_candidates(study), monitor)
        return [summary for summary in summaries if summary.size == settings.candidates_per_generation]

    shown = len(complete())
    progress.start(
        f"searching {len(space.distributions)} parameters of {settings.family} losses for {probe.num_classes} classes "
        f"by {settings.monitor}; model with {probe.num_weights:,} weights",
        shown,
    )

    def announce() -> None:
        nonlocal shown
        if sampler.generation(study) == shown:
            return
        for summary in complete()[shown:]:
            progress.generation(summary)
            shown += 1

    Explorer(
        study,
        sampler,
        space,
        TrainerEvaluator(task, monitor, settings.loss_attribute),
        monitor,
        probe.num_classes,
        settings.invariant,
        settings.seed,
        announce=announce,
    ).run()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Limit torch's CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
