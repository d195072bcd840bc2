"""Choose between training one candidate after another and all together, by trying both."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from glo_lightning.losses import Loss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Run, Status
from glo_lightning.training.task import Task
from glo_lightning.training.trainer import TrainerEvaluator

Way = Literal["trainer", "population"]

TRIAL_STEPS = (2, 16)
"""Lengths of a trial training; the first also warms up."""

SLOW_SECONDS = 1.0
"""A trial that took so long needs no longer one."""


def choose_evaluator(
    wanted: Literal["auto", "trainer", "population"],
    task: Task,
    monitor: Monitor,
    attribute: str = "loss_fn",
    together: int = 20,
    say: Callable[[str], None] = lambda line: None,
) -> Way:
    """Choose how to train, and say in one line what and why.

    Args:
        wanted: ``"trainer"``; ``"population"``, where that is possible; or ``"auto"``, whichever is faster on the
            first steps of the task.
        task: the model, the data and the Trainer.
        monitor: the metric that becomes the score.
        attribute: where the model keeps its training loss.
        together: runs that will be evaluated at once.
        say: takes the line; there is none where there was no choice.

    Returns:
        The way to train.

    Example:
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> from glo_lightning.training.task import python_task
        >>> task = python_task(lambda: Classifier(mlp()), DigitsDataModule(), {"max_epochs": 1, "max_steps": 9})
        >>> choose_evaluator("population", task, Monitor(), say=print)
        Training one candidate after another: the Trainer has max_steps=9.
        'trainer'
    """
    if wanted == "trainer" or together == 1:
        return "trainer"
    obstacle = PopulationEvaluator(task, monitor, attribute).obstacle()
    if obstacle:
        say(f"Training one candidate after another: {obstacle}.")
        return "trainer"
    if wanted == "population":
        return "population"
    alone, joint = _seconds_per_candidate(task, monitor, attribute, together)
    measured = f"on the first steps, one took {1e3 * alone:.3g} ms alone and {1e3 * joint:.3g} ms among {together}"
    if joint < alone:
        say(f"Training {together} candidates together: {measured}.")
        return "population"
    say(f"Training one candidate after another: {measured}.")
    return "trainer"


def _seconds_per_candidate(task: Task, monitor: Monitor, attribute: str, together: int) -> tuple[float, float]:
    """Return what a short training takes with the Trainer, and in a population of ``together``."""
    for steps in TRIAL_STEPS:
        short = _shortened(task, steps)
        population = PopulationEvaluator(short, monitor, attribute)
        population.obstacle()  # makes its plan, which all generations share
        alone = _seconds(TrainerEvaluator(short, monitor, attribute), population.baseline, 1)
        joint = _seconds(population, population.baseline, together)
        if alone + joint > SLOW_SECONDS:
            break
    return alone, joint / together


def _shortened(task: Task, steps: int) -> Task:
    short = {"max_epochs": 1, "limit_train_batches": steps, "limit_val_batches": 1, "check_val_every_n_epoch": 1}
    return replace(task, build_trainer=lambda callbacks, extra: task.build_trainer(callbacks, {**extra, **short}))


def _seconds(evaluator: Evaluator, loss: Loss, count: int) -> float:
    """Return what some trainings take, infinitely long if one crashes."""
    started = time.perf_counter()
    evaluations = evaluator.evaluate([Run(loss, seed=0)] * count)
    crashed = any(evaluation.status is Status.FAILED for evaluation in evaluations)
    return math.inf if crashed else time.perf_counter() - started
