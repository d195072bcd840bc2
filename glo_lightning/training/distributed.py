"""Train one candidate over several ranks: rank 0 decides what, the others follow.

Every process of the group runs the same Trainer with the same callbacks, and Lightning keeps the process group alive
from one training to the next. Rank 0 alone has a study; before each training it tells the others what to train, as
JSON, over a group of their own: they may wait long for it, while the Trainer's group should notice a lost rank soon.
"""

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Self

import torch.distributed as dist

from glo_lightning.errors import GloError
from glo_lightning.losses import Loss
from glo_lightning.training.abort import AbortRule
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, EvaluatorLostError, Run, Status
from glo_lightning.training.stragglers import StragglerWatch
from glo_lightning.training.task import Task
from glo_lightning.training.trainer import TrainerEvaluator

PATIENCE = timedelta(days=30)
"""How long ranks wait for their next training: a worker may wait for others to finish a generation."""

MOMENT = 2.0
"""Seconds for a launcher to notice that a rank ended."""


class Channel:
    """Carries JSON from rank 0 to the other ranks; as a context, sends them home at its end.

    All ranks must make theirs at the same point, after a first training has set up the process group.

    Attributes:
        watch: a callback of every training, which reports the ranks that it waits for.
    """

    def __init__(self) -> None:
        self._group: Any = dist.new_group(backend="gloo", timeout=PATIENCE)
        rank, ranks = dist.get_rank(), dist.get_world_size()
        self.watch = StragglerWatch(rank, ranks, None if rank == 0 else self.receive())
        if rank == 0:
            self.send(self.watch.port)

    def send(self, message: Any) -> None:
        """Send from rank 0."""
        dist.broadcast_object_list([json.dumps(message)], src=0, group=self._group)

    def receive(self) -> Any:
        """Wait for rank 0.

        Raises:
            EvaluatorLostError: if rank 0 is gone.
        """
        letter = [""]
        try:
            dist.broadcast_object_list(letter, src=0, group=self._group)
        except RuntimeError as error:
            raise EvaluatorLostError("rank 0 is gone") from error
        return json.loads(letter[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        """Send the other ranks home, unless they are in the middle of a training."""
        if kind is None or issubclass(kind, GloError):
            with suppress(RuntimeError):
                self.send(None)


class DistributedEvaluator:
    """Rank 0's evaluator: has all ranks train every run together.

    A crash on any rank leaves the others in the middle of an exchange, so it ends the group; whoever started the
    ranks starts them again.

    Args:
        evaluator: trains rank 0's part.
        channel: to the other ranks, which :func:`serve`.
        task: the name of the evaluator's task, if there are several.
    """

    def __init__(self, evaluator: TrainerEvaluator, channel: Channel, task: str = "") -> None:
        self.evaluator = copy.copy(evaluator)
        self.evaluator.callbacks = (*evaluator.callbacks, channel.watch)
        self.channel = channel
        self.task = task

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train every run and return its evaluation, in the order given.

        Raises:
            EvaluatorLostError: if a rank crashed.
        """
        return [self._evaluate(run) for run in runs]

    def _evaluate(self, run: Run) -> Evaluation:
        abort = self.evaluator.abort
        self.channel.send(
            {
                "task": self.task,
                "loss": None if run.loss is None else run.loss.to_dict(),
                "seed": run.seed,
                "hyperparameters": dict(run.hyperparameters),
                "reported": run.report is not None,
                "epochs": self.evaluator.epochs,
                "split": self.evaluator.split,
                "abort": None if abort is None else asdict(abort),
            }
        )
        return _train(self.evaluator, run, self.channel)


def serve(tasks: Mapping[str, Callable[[], Task]], monitor: Monitor, attribute: str, channel: Channel) -> None:
    """Train with rank 0 until it sends ``None``.

    Args:
        tasks: what makes them, as on rank 0, by their names; one alone has an empty name.
        monitor: as on rank 0.
        attribute: where the model keeps its training loss.
        channel: from rank 0.

    Raises:
        EvaluatorLostError: if this rank crashed.
    """
    name, task = None, None
    while (order := channel.receive()) is not None:
        if task is None or order["task"] != name:
            name = order["task"]
            task = tasks[name]()
        abort = None if order["abort"] is None else AbortRule(**order["abort"])
        evaluator = TrainerEvaluator(task, monitor, attribute, order["epochs"], order["split"], abort, [channel.watch])
        report = _leave_it_to_rank_0 if order["reported"] else None
        loss = None if order["loss"] is None else Loss.from_dict(order["loss"])
        _train(evaluator, Run(loss, order["seed"], report, order["hyperparameters"]), channel)


def _leave_it_to_rank_0(epoch: int, metric: float) -> bool:
    raise AssertionError("rank 0 alone reports")


def _train(evaluator: TrainerEvaluator, run: Run, channel: Channel) -> Evaluation:
    with channel.watch.watching():
        (evaluation,) = evaluator.evaluate([run])
    if evaluation.status is Status.FAILED:
        # If another rank was first, the launcher ends this one in a moment, and knows the reason better.
        time.sleep(MOMENT)
        raise EvaluatorLostError(evaluation.reason)
    return evaluation
