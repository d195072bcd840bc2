"""Trainings that are given up: when, and what a pruner sees of them."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.abort import AbortRule, Watch
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Monitor, Run, Status
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator

UNREACHABLE = 2.0
"""An accuracy."""


def evaluator(kind: type[Any], abort: AbortRule, **trainer: Any) -> Evaluator:
    settings = {"accelerator": "cpu", "max_epochs": 4, "limit_train_batches": 2, "limit_val_batches": 1, **trainer}
    task = python_task(lambda: Classifier(mlp(hidden=(8,))), DigitsDataModule(), settings)
    made: Evaluator = kind(task, Monitor(), abort=abort)
    return made


both = pytest.mark.parametrize("kind", [TrainerEvaluator, PopulationEvaluator])


@both
@pytest.mark.parametrize(
    ("every", "epoch", "stopped"), [(1, 0, 0), (2, 0, 1), (2, 1, 1), (2, 2, 3), (4, 0, 3)], ids=str
)
def test_the_first_validation_at_or_after_the_epoch_decides(kind: Any, every: int, epoch: int, stopped: int) -> None:
    rule = AbortRule(UNREACHABLE, epoch, attempts=0)
    (evaluation,) = evaluator(kind, rule, check_val_every_n_epoch=every).evaluate([Run(CrossEntropyLoss(), 0)])
    assert (evaluation.status, evaluation.epoch) == (Status.ABORTED, stopped)
    assert f"after epoch {stopped}, 2 was required" in evaluation.reason


def test_a_training_that_was_good_enough_once_is_not_asked_again() -> None:
    watch = Watch(Monitor(), abort=AbortRule(0.5, 1))
    assert [watch.see(epoch, metric) for epoch, metric in enumerate([0.1, 0.6, 0.1])] == [False] * 3
    assert watch.status is Status.COMPLETED


@both
@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_pruner_sees_one_attempt_alone(kind: Any, attempts: int) -> None:
    """The attempt that counts is the last; with none to follow, a training reports as it goes."""
    trial = optuna.create_study(direction="maximize").ask()
    seen: list[tuple[int, float]] = []

    def report(epoch: int, score: float) -> bool:
        seen.append((epoch, score))
        trial.report(score, epoch)
        return False

    rule = AbortRule(UNREACHABLE, 1, attempts)
    (evaluation,) = evaluator(kind, rule).evaluate([Run(CrossEntropyLoss(), 0, report)])
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert seen[-1][1] == evaluation.score
    assert trial.study.trials[0].intermediate_values == dict(seen)


def watched(metrics: list[float], reply: Callable[[int, float], bool], attempts: int) -> tuple[Watch, list[int]]:
    told: list[int] = []

    def report(epoch: int, score: float) -> bool:
        told.append(epoch)
        return reply(epoch, score)

    watch = Watch(Monitor(), report, AbortRule(0.5, 2, attempts))
    for epoch, metric in enumerate(metrics):
        if watch.see(epoch, metric):
            break
    return watch, told


def test_reports_wait_until_a_training_can_no_longer_be_given_up() -> None:
    watch, told = watched([0.1, 0.2, 0.6, 0.7], lambda epoch, score: False, attempts=1)
    assert (watch.status, told) == (Status.COMPLETED, [0, 1, 2, 3])
    watch, told = watched([0.1, 0.2, 0.3], lambda epoch, score: False, attempts=1)
    assert (watch.status, told) == (Status.ABORTED, [])


def test_a_pruner_has_its_say_about_what_waited() -> None:
    watch, told = watched([0.1, 0.2, 0.6, 0.7], lambda epoch, score: epoch == 1, attempts=1)
    assert (watch.status, watch.epoch, told) == (Status.PRUNED, 2, [0, 1])
    watch, told = watched([0.1, 0.2, 0.3], lambda epoch, score: epoch == 1, attempts=0)
    assert (watch.status, watch.epoch, told) == (Status.PRUNED, 1, [0, 1])


def test_given_up_stays_given_up_whatever_the_pruner_says() -> None:
    watch, told = watched([0.1, 0.2, 0.3], lambda epoch, score: epoch == 2, attempts=0)
    assert (watch.status, told) == (Status.ABORTED, [0, 1, 2])
