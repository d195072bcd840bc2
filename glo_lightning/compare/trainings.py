"""Train what a comparison needs and is not on disk yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import Progress

from glo_lightning.compare.comparison import Comparison, compare_losses
from glo_lightning.compare.ledger import Ledger, LedgerEvaluator
from glo_lightning.compare.rivals import with_baselines
from glo_lightning.compare.settings import CompareSettings
from glo_lightning.losses import Loss
from glo_lightning.training.checks.one_batch import probe_task, require_worst
from glo_lightning.training.choice import Way, choose_evaluator
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Run
from glo_lightning.training.seeds import fresh_seeds
from glo_lightning.training.task import Task, max_epochs
from glo_lightning.training.test_split import require_test
from glo_lightning.training.trainer import TrainerEvaluator
from glo_lightning.words import say_aside

TOGETHER = 20
"""Trainings of a population at once: few enough to be on disk soon, many enough to be fast."""


@dataclass(frozen=True)
class Outcome:
    """A comparison, and how the losses came to it.

    Args:
        fraction: share of the training split that was trained on; None for the data as configured.
        comparison: on the test split.
        curves: the validation metric after each validation, by the names of the losses, one list per seed.
    """

    fraction: float | None
    comparison: Comparison
    curves: Mapping[str, Sequence[Sequence[float]]]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"fraction": self.fraction, **self.comparison.to_dict(), "curves": self.curves}


def run_comparison(
    settings: CompareSettings,
    losses: Mapping[str, Loss],
    tasks: Mapping[float | None, Callable[[], Task]],
    ledger: Ledger,
    console: Console,
) -> tuple[dict[str, Loss], list[Outcome]]:
    """Compare losses and baselines on every fraction of the data.

    Args:
        settings: baselines, seeds and epochs.
        losses: by the names to show.
        tasks: what makes the task, by the fraction of the training split; None for the data as configured.
        ledger: keeps finished trainings.
        console: shows progress, if it is a terminal.

    Returns:
        All losses, baselines included, and an outcome per fraction.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
    """
    monitor = Monitor(settings.monitor, settings.mode, settings.worst_metric)
    first = next(iter(tasks.values()))()
    epochs = settings.epochs or max_epochs(first)
    probe = probe_task(first, monitor, settings.loss_attribute, outputs=settings.outputs)
    require_worst(probe, monitor)
    if probe.caveat:
        console.print(probe.caveat, highlight=False, markup=False)
    require_test(first, monitor)
    losses = with_baselines(losses, settings.baselines, probe.num_classes, settings.outputs)
    seeds = fresh_seeds(settings.seed, "compare", settings.seeds)
    runs = [Run(loss, seed) for loss in losses.values() for seed in seeds]
    way = _choose(settings, first, monitor, ledger, min(TOGETHER, len(runs)), console)
    outcomes = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("trainings", total=len(runs) * len(tasks))
        for fraction, make_task in tasks.items():
            task = make_task()
            evaluator = LedgerEvaluator(
                partial(_make, way, task, monitor, settings.loss_attribute, epochs),
                ledger,
                {"fraction": fraction, **_identity(task, settings, way, epochs)},
                ("fraction", "epochs", "evaluator"),
                TOGETHER if way == "population" else 1,
                lambda count: progress.advance(bar, count),
            )
            progress.advance(bar, len(runs) - len(evaluator.missing(runs)))
            comparison = compare_losses(losses, evaluator, monitor, seeds, epochs=epochs)
            outcomes.append(Outcome(fraction, comparison, _curves(losses, seeds, evaluator)))
    return losses, outcomes


def _choose(
    settings: CompareSettings, task: Task, monitor: Monitor, ledger: Ledger, together: int, console: Console
) -> Way:
    """Train as the ledger's trainings were, unless told otherwise."""
    wanted = settings.evaluator if settings.evaluator != "auto" else ledger.last("evaluator", "auto")
    return choose_evaluator(wanted, task, monitor, settings.loss_attribute, together, partial(say_aside, console))


def _make(way: Way, task: Task, monitor: Monitor, attribute: str, epochs: int) -> Evaluator:
    make = PopulationEvaluator if way == "population" else TrainerEvaluator
    return make(task, monitor, attribute, epochs, "test")


def _identity(task: Task, settings: CompareSettings, way: Way, epochs: int) -> dict[str, Any]:
    trainer = {name: value for name, value in task.description["trainer"].items() if name != "max_epochs"}
    return {
        "epochs": epochs,
        "monitor": settings.monitor,
        "mode": settings.mode,
        "worst_metric": settings.worst_metric,
        "loss_attribute": settings.loss_attribute,
        "evaluator": way,
        **task.description,
        "trainer": trainer,
    }


def _curves(
    losses: Mapping[str, Loss], seeds: Sequence[int], evaluator: LedgerEvaluator
) -> dict[str, list[list[float]]]:
    return {name: [evaluator.curve(Run(loss, seed)) for seed in seeds] for name, loss in losses.items()}
