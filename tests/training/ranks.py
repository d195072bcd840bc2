"""What the ranks of the distributed tests do."""

import functools
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from glo_lightning.losses import CrossEntropyLoss, Loss, MeanSquaredErrorLoss, TaylorLoss
from glo_lightning.training import stragglers
from glo_lightning.training.abort import AbortRule
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.distributed import Channel, DistributedEvaluator, serve
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.placement import place
from glo_lightning.training.run import Evaluator, Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import ToyData, ToyModel

MONITOR = Monitor("val_loss", "min")
THETA = [0.1, -0.2, 1.0, -0.3, 0.4, -0.5, 0.6, -0.7]


class NanOnRank1(ToyModel):
    """Sees NaN in its second epoch, on rank 1 alone."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * torch.nan if self.current_epoch == 1 and self.global_rank == 1 else loss


def make_task(model: Callable[[], ToyModel], devices: int) -> Task:
    trainer = {"accelerator": "cpu", "max_epochs": 4, "devices": devices, "strategy": "ddp" if devices > 1 else "auto"}
    return python_task(model, ToyData(batch_size=16 // devices), trainer)


def script(make: Callable[..., Evaluator]) -> dict[str, object]:
    """Train with every kind of ending, one after another in one process group."""
    reports: list[tuple[int, float]] = []

    def prune(epoch: int, metric: float) -> bool:
        reports.append((epoch, metric))
        return epoch == 1

    losses: list[Loss] = [CrossEntropyLoss(), MeanSquaredErrorLoss(), TaylorLoss(THETA)]
    hopeless = AbortRule(below=0.0, epoch=1, attempts=1)
    started = time.perf_counter()
    results = {
        "scores": [asdict(each) for each in make().evaluate([Run(loss, seed) for loss in losses for seed in (0, 1)])],
        "pruned": [asdict(each) for each in make().evaluate([Run(losses[0], 0, prune)])],
        "aborted": [asdict(each) for each in make(abort=hopeless).evaluate([Run(losses[0], 0)])],
        "tested": [asdict(each) for each in make(split="test", epochs=2).evaluate([Run(losses[0], 0)])],
        "reports": reports,
    }
    return {**results, "seconds": time.perf_counter() - started}


def train(model: type[ToyModel], file: Path) -> None:
    """Be a rank of two, and have rank 0 write what came of it."""
    task = make_task(model, devices=2)
    probe_task(task, MONITOR)
    channel = Channel()
    if place(task).rank > 0:
        serve({"": lambda: task}, MONITOR, "loss_fn", channel)
        return

    def make(**settings: object) -> Evaluator:
        return DistributedEvaluator(TrainerEvaluator(task, MONITOR, **settings), channel)  # type: ignore[arg-type]

    with channel:
        file.write_text(json.dumps(script(make)))


class HangsOnce(ToyModel):
    """Hangs in the second batch on one rank, until a file is there; or stops its process, until somebody wakes it."""

    def __init__(self, folder: Path, rank: int, how: str) -> None:
        super().__init__()
        self.folder, self.rank, self.how = folder, rank, how

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        if self.trainer.world_size > 1 and (self.global_rank, self.global_step) == (self.rank, 1):
            (self.folder / "pid").write_text(str(os.getpid()))
            if self.how == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            while not (self.folder / "go on").exists():
                time.sleep(0.01)
        return super().training_step(batch, batch_idx)


def hang(folder: Path, rank: int, how: str) -> None:
    """Be one of two ranks, of which one hangs while a candidate trains."""
    stragglers.SILENCE_SECONDS = 3.0
    probe_task(make_task(ToyModel, devices=2), MONITOR)
    channel = Channel()
    task = make_task(functools.partial(HangsOnce, folder, rank, how), devices=2)
    if place(task).rank > 0:
        serve({"": lambda: task}, MONITOR, "loss_fn", channel)
        return
    with channel:
        DistributedEvaluator(TrainerEvaluator(task, MONITOR), channel).evaluate([Run(CrossEntropyLoss(), 0)])
