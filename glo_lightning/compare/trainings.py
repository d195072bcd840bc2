"""Train what a comparison needs and is not finished yet, together with whoever has the same to do."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import optuna
from rich.console import Console
from rich.progress import Progress, TaskID

from glo_lightning.compare.comparison import Comparison, compare_evaluations, train_losses
from glo_lightning.compare.rivals import with_baselines
from glo_lightning.compare.settings import CompareSettings
from glo_lightning.compare.shared_trainings import SharedTrainings
from glo_lightning.compare.tables import learnt_nothing
from glo_lightning.errors import ModelError
from glo_lightning.losses import NAMED_LOSSES, Loss, in_units_of
from glo_lightning.search.storage.decision import decide_once
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import count_run, quiet_optuna
from glo_lightning.training.checks.models import require_fresh_models
from glo_lightning.training.checks.one_batch import probe_task, require_worst
from glo_lightning.training.checks.splits import check_splits
from glo_lightning.training.checks.targets import UNIT, target_scale
from glo_lightning.training.choice import Way, choose_evaluator
from glo_lightning.training.distributed import Channel, DistributedEvaluator, serve
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.placement import place
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, EvaluatorLostError
from glo_lightning.training.seeds import fresh_seeds
from glo_lightning.training.task import Task, max_epochs
from glo_lightning.training.test_split import require_test
from glo_lightning.training.traces import no_trace
from glo_lightning.training.trainer import TrainerEvaluator

_logger = logging.getLogger(__name__)

TOGETHER = 20
"""Trainings of a population at once: few enough to be kept soon, many enough to be fast."""

WAY = "evaluator"
"""User attribute of a comparison's study: how its latest trainings were done."""


@dataclass(frozen=True)
class TrainedComparison:
    """A comparison, and how the losses came to it.

    Args:
        fraction: share of the training split that was trained on; None for the data as configured.
        comparison: on the test split.
        curves: the validation metric after each validation, by the names of the losses, one list per seed.
        warning: why it should not be trusted, if it should not.
    """

    fraction: float | None
    comparison: Comparison
    curves: Mapping[str, Sequence[Sequence[float]]]
    warning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "fraction": self.fraction,
            **self.comparison.to_dict(),
            "curves": self.curves,
            "warning": self.warning,
        }


@no_trace()
def run_comparison(
    settings: CompareSettings,
    losses: Mapping[str, Loss],
    tasks: Mapping[float | None, Callable[[], Task]],
    storage: Path,
    console: Console,
) -> tuple[dict[str, Loss], list[TrainedComparison]]:
    """Compare losses and baselines on every fraction of the data.

    Args:
        settings: baselines, seeds and epochs.
        losses: by the names to show.
        tasks: what makes the task, by the fraction of the training split; None for the data as configured.
        storage: an SQLite database that keeps finished trainings; whoever compares with the same shares the work.
        console: shows a bar, if it is a terminal.

    Returns:
        All losses, baselines included, and a comparison per fraction; no comparison on ranks that follow another.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
    """
    monitor = settings.metric
    first = next(iter(tasks.values()))()
    placement = place(first)
    epochs = settings.epochs or max_epochs(first)
    shared = require_fresh_models(first)
    probe = probe_task(first, monitor, settings.loss_attribute, outputs=settings.outputs)
    require_worst(probe, monitor)
    shared.require_unchanged()
    require_test(first, monitor)
    seen = None if probe.first_batch is None else probe.first_batch.targets
    scale = UNIT if seen is None else target_scale(first, seen)
    for line in filter(None, (probe.caveat, check_splits(first, monitor.name, tested=True), scale.caveat)):
        _logger.warning(line)
    sigma = scale.sigma
    losses = {name: in_units_of(loss, sigma) if name in NAMED_LOSSES else loss for name, loss in losses.items()}
    losses = with_baselines(
        losses, settings.baselines_of_outputs, probe.num_classes, settings.outputs, probe.first_batch, sigma
    )
    channel = Channel() if placement.ranks > 1 else None
    with _crashes_explained():
        if channel is not None and placement.rank > 0:
            serve({str(fraction): make for fraction, make in tasks.items()}, monitor, settings.loss_attribute, channel)
            return losses, []
        with channel or nullcontext(), quiet_optuna():
            untrained = probe.metrics[monitor.name]
            leader = _Leader(settings, monitor, untrained, epochs, _open_lead(settings, storage), channel, console)
            way = leader.choose(first, min(TOGETHER, settings.seeds * len(losses)))
            return losses, leader.compare(losses, tasks, way)


@contextmanager
def _crashes_explained() -> Iterator[None]:
    """A crash of one rank ends them all; whoever reads the error is told how to go on."""
    try:
        yield
    except EvaluatorLostError as error:
        raise ModelError(
            "trainings that run to their end",
            f"one that crashed ({error})",
            "Mend the cause; what has finished is kept, and the same command trains the rest.",
        ) from error


def _open_lead(settings: CompareSettings, storage: Path) -> optuna.Study:
    """Open the study that stands for the comparison; its trainings are in others beside it."""
    opened = open_storage(storage)
    count_run(settings.name, opened)
    return optuna.create_study(study_name=settings.name, storage=opened, load_if_exists=True)


@dataclass(frozen=True)
class _Leader:
    """The process that decides what is trained: the only one, or the first of several ranks.

    Args:
        settings: of the comparison.
        monitor: the metric.
        untrained: the metric of a model that saw one batch.
        epochs: of a training.
        lead: the study of the comparison.
        channel: to the other ranks; None if this process trains alone.
        console: shows a bar, if it is a terminal.
    """

    settings: CompareSettings
    monitor: Monitor
    untrained: float
    epochs: int
    lead: optuna.Study
    channel: Channel | None
    console: Console

    def choose(self, task: Task, together: int) -> Way:
        """Train as the latest trainings were, unless told otherwise; whoever shares the work does so alike."""
        attribute = self.settings.loss_attribute

        def try_out() -> Way:
            return choose_evaluator(self.settings.evaluator, task, self.monitor, attribute, together, _logger.info)

        if self.settings.evaluator != "auto":
            way = try_out()
        else:
            way = self.lead.user_attrs.get(WAY) or cast(Way, decide_once(self.lead, WAY, try_out))
        self.lead.set_user_attr(WAY, way)
        return way

    def compare(
        self, losses: Mapping[str, Loss], tasks: Mapping[float | None, Callable[[], Task]], way: Way
    ) -> list[TrainedComparison]:
        """Train what is missing on every fraction of the data."""
        seeds = fresh_seeds(self.settings.seed, "compare", self.settings.seeds)
        count = len(seeds) * len(losses)
        trained = []
        with Progress(console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            bar = progress.add_task("trainings", total=count * len(tasks))
            for number, (fraction, make_task) in enumerate(tasks.items()):
                shared = self._share(fraction, make_task(), way, partial(_show, progress, bar, number * count))
                evaluations = train_losses(losses, shared, seeds)
                comparison = compare_evaluations(evaluations, self.monitor, seeds, epochs=self.epochs)
                curves = {name: [each.curve for each in own] for name, own in evaluations.items()}
                best = self.monitor.best(result.mean for result in comparison.results if result.is_measured)
                warning = learnt_nothing("The best loss", best, self.untrained, self.monitor)
                trained.append(TrainedComparison(fraction, comparison, curves, warning))
        return trained

    def _share(self, fraction: float | None, task: Task, way: Way, announce: Callable[[int], None]) -> SharedTrainings:
        make = PopulationEvaluator if way == "population" else TrainerEvaluator
        evaluator: Evaluator = make(task, self.monitor, self.settings.loss_attribute, self.epochs, "test")
        if self.channel is not None and isinstance(evaluator, TrainerEvaluator):
            evaluator = DistributedEvaluator(evaluator, self.channel, str(fraction))
        trainer = {name: value for name, value in task.description["trainer"].items() if name != "max_epochs"}
        basis = {
            "fraction": fraction,
            "epochs": self.epochs,
            "split": "test",
            "loss_attribute": self.settings.loss_attribute,
            "evaluator": way,
            **task.description,
            "trainer": trainer,
        }
        batch = TOGETHER if way == "population" else 1
        return SharedTrainings(evaluator, self.lead, "trainings", basis, self.monitor, batch=batch, announce=announce)


def _show(progress: Progress, bar: TaskID, before: int, done: int) -> None:
    progress.update(bar, completed=before + done)
