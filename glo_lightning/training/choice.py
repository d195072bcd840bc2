"""Choose between training one candidate after another and all together, by trying both."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch

from glo_lightning.losses import Loss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Run, Status
from glo_lightning.training.task import Task
from glo_lightning.training.trainer import TrainerEvaluator

Way = Literal["trainer", "population"]

WARM_UP_STEPS, TRIAL_STEPS = 2, 16
"""Lengths of the trial trainings: one of each way to warm up, then those that count."""

ROUNDS = 3
"""Trials of each way where the clock on the wall measures them; the shortest counts."""

SLOW_SECONDS = 1.0
"""After trials that took so long there are no more; of the processor, for a busy machine makes no task a slow one."""


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
    begun = time.process_time()
    alone, joint = _shortest(_shortened(task, WARM_UP_STEPS), monitor, attribute, together, rounds=1)
    if time.process_time() - begun <= SLOW_SECONDS:
        alone, joint = _shortest(_shortened(task, TRIAL_STEPS), monitor, attribute, together, ROUNDS)
    return alone, joint / together


def _shortest(task: Task, monitor: Monitor, attribute: str, together: int, rounds: int) -> tuple[float, float]:
    """Return the shortest of a few trainings alone, and of as many together, in turns.

    On one thread of a CPU one round will do, for processor time tells, which the work of others hardly lengthens. A
    GPU's work, and that of several threads at once, only the clock on the wall tells.
    """
    trainer, population = TrainerEvaluator(task, monitor, attribute), PopulationEvaluator(task, monitor, attribute)
    population.obstacle()  # makes its plan, which all generations share
    clock = time.perf_counter
    if population.device.type == "cpu" and torch.get_num_threads() == 1:
        clock, rounds = time.process_time, 1
    alone, joint, loss = math.inf, math.inf, population.baseline
    begun = time.process_time()
    for _ in range(rounds):
        alone = min(alone, _seconds(trainer, loss, 1, clock))
        joint = min(joint, _seconds(population, loss, together, clock))
        if time.process_time() - begun > SLOW_SECONDS:
            break
    return alone, joint


def _shortened(task: Task, steps: int) -> Task:
    short = {"max_epochs": 1, "limit_train_batches": steps, "limit_val_batches": 1, "check_val_every_n_epoch": 1}
    return replace(task, build_trainer=lambda callbacks, extra: task.build_trainer(callbacks, {**extra, **short}))


def _seconds(evaluator: Evaluator, loss: Loss, count: int, clock: Callable[[], float]) -> float:
    """Return what some trainings take by a clock, infinitely long if one crashes."""
    started = clock()
    evaluations = evaluator.evaluate([Run(loss, seed=0)] * count)
    crashed = any(evaluation.status is Status.FAILED for evaluation in evaluations)
    return math.inf if crashed else clock() - started
