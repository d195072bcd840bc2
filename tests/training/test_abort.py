"""Trainings that are given up: when, and what a pruner sees of them."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.abort import AbortRule, ValidationFollower
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluator, Run, Status
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
    follower = ValidationFollower(Monitor(), abort=AbortRule(0.5, 1))
    assert [follower.see(epoch, metric) for epoch, metric in enumerate([0.1, 0.6, 0.1])] == [False] * 3
    assert follower.status is Status.COMPLETED


@both
@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_pruner_sees_one_attempt_alone(kind: Any, attempts: int) -> None:
    """The attempt that counts is the last; with none to follow, a training reports as it goes."""
    trial = optuna.create_study(direction="maximize").ask()
    seen: list[tuple[int, float]] = []

    def report(epoch: int, metric: float) -> bool:
        seen.append((epoch, metric))
        trial.report(metric, epoch)
        return False

    rule = AbortRule(UNREACHABLE, 1, attempts)
    (evaluation,) = evaluator(kind, rule).evaluate([Run(CrossEntropyLoss(), 0, report)])
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert seen[-1][1] == evaluation.metric
    assert trial.study.trials[0].intermediate_values == dict(seen)


def followed(
    metrics: list[float], reply: Callable[[int, float], bool], attempts: int
) -> tuple[ValidationFollower, list[int]]:
    told: list[int] = []

    def report(epoch: int, metric: float) -> bool:
        told.append(epoch)
        return reply(epoch, metric)

    follower = ValidationFollower(Monitor(), report, AbortRule(0.5, 2, attempts))
    for epoch, metric in enumerate(metrics):
        if follower.see(epoch, metric):
            break
    return follower, told


def test_reports_wait_until_a_training_can_no_longer_be_given_up() -> None:
    follower, told = followed([0.1, 0.2, 0.6, 0.7], lambda epoch, metric: False, attempts=1)
    assert (follower.status, told) == (Status.COMPLETED, [0, 1, 2, 3])
    follower, told = followed([0.1, 0.2, 0.3], lambda epoch, metric: False, attempts=1)
    assert (follower.status, told) == (Status.ABORTED, [])


def test_a_pruner_has_its_say_about_what_waited() -> None:
    follower, told = followed([0.1, 0.2, 0.6, 0.7], lambda epoch, metric: epoch == 1, attempts=1)
    assert (follower.status, follower.epoch, told) == (Status.PRUNED, 2, [0, 1])
    follower, told = followed([0.1, 0.2, 0.3], lambda epoch, metric: epoch == 1, attempts=0)
    assert (follower.status, follower.epoch, told) == (Status.PRUNED, 1, [0, 1])


def test_given_up_stays_given_up_whatever_the_pruner_says() -> None:
    follower, told = followed([0.1, 0.2, 0.3], lambda epoch, metric: epoch == 2, attempts=0)
    assert (follower.status, told) == (Status.ABORTED, [0, 1, 2])
