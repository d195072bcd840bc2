"""Candidates per minute: a population, the Trainer, and plain PyTorch loops, side by side.

Each candidate is a loss near cross-entropy, a Taylor loss unless another --family is asked for. All train the same
network on the same batches and are validated after each epoch. "bare" is the shortest honest PyTorch loop, one
candidate after another, with the library's loss; "bare autograd" is the same loop with the loss's formula left to
autograd. The ways take turns, and the best of several rounds counts, because a busy machine only ever makes things
slower.

    OMP_NUM_THREADS=1 python tests/benchmarks/throughput.py [--threads 2] [--sizes 20] [--memory]
    OMP_NUM_THREADS=1 python tests/benchmarks/throughput.py --data DIR --tasks mnist_cnn cifar10_allcnn_c --sizes 1 5

DIR holds MNIST/raw/ and cifar10/{train,test}/CLASS/*; these two tasks train a few steps only. On a machine with a GPU
everything runs there, with --precision bf16-mixed under autocast.
"""

import argparse
import math
import multiprocessing
import re
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, seed_everything
from torch import Tensor, nn

from glo_lightning.data import DigitsDataModule, FolderDataModule, VisionDataModule
from glo_lightning.losses import ClassAwareLoss, DriveLoss, Loss, TaylorLoss, cross_entropy_taylor
from glo_lightning.losses.batch import label_distribution
from glo_lightning.models import Classifier, allcnn_c, mlp, mnist_cnn, small_cnn
from glo_lightning.training.kept_memory import freed_memory_kept
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator

SEED = 1
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SIZES = (1, 5, 20, 40, 80)


@dataclass(frozen=True)
class Case:
    """A network and its data."""

    network: Callable[[], nn.Module]
    data: Callable[[str], LightningDataModule]
    epochs: int = 3
    steps: int | None = None


CASES = {
    "digits_mlp": Case(mlp, lambda _: DigitsDataModule()),
    "digits_small_cnn": Case(small_cnn, lambda _: DigitsDataModule()),
    "mnist_cnn": Case(mnist_cnn, lambda root: VisionDataModule("mnist", root), epochs=1, steps=4),
    "cifar10_allcnn_c": Case(allcnn_c, lambda root: FolderDataModule(f"{root}/cifar10", 10), epochs=1, steps=4),
}


@dataclass(frozen=True)
class Bench:
    """A case made ready, on a device."""

    case: Case
    datamodule: LightningDataModule
    device: torch.device
    precision: str

    def task(self) -> Task:
        trainer = {
            "max_epochs": self.case.epochs,
            "accelerator": "cpu" if self.device.type == "cpu" else "gpu",
            "devices": 1,
            "precision": self.precision,
        }
        if self.case.steps:
            trainer |= {"limit_train_batches": self.case.steps, "limit_val_batches": 1}
        return python_task(lambda: Classifier(self.case.network()), self.datamodule, trainer)

    def population(self) -> Callable[[Sequence[Loss]], object]:
        return self._evaluated(PopulationEvaluator(self.task(), Monitor()))

    def trainer(self) -> Callable[[Sequence[Loss]], object]:
        return self._evaluated(TrainerEvaluator(self.task(), Monitor()))

    def _evaluated(self, evaluator: PopulationEvaluator | TrainerEvaluator) -> Callable[[Sequence[Loss]], object]:
        def train(losses: Sequence[Loss]) -> object:
            with freed_memory_kept():  # as in a search
                return evaluator.evaluate([Run(loss, SEED) for loss in losses])

        return train

    def bare(self) -> Callable[[Sequence[Loss]], object]:
        return lambda losses: [self._bare_loop(loss.to(self.device)) for loss in losses]

    def bare_autograd(self) -> Callable[[Sequence[Loss]], object]:
        return lambda losses: [self._bare_loop(AutogradLoss(loss.to(self.device))) for loss in losses]

    def _bare_loop(self, loss: nn.Module) -> float:
        seed_everything(SEED, verbose=False)
        data: Any = self.datamodule
        network = self.case.network().to(self.device)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        inputs, targets = (tensor.to(self.device) for tensor in data.train_tensors)
        val = data.evaluation_batch(
            tuple(t[: 512 if self.case.steps else None].to(self.device) for t in data.val_tensors)
        )
        context = torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16-mixed" else nullcontext()
        step = 0
        for epoch in range(self.case.epochs):
            network.train()
            for chosen in data.train_order(epoch, SEED).to(self.device).split(data.batch_size)[: self.case.steps]:
                x, y = data.training_batch((inputs[chosen], targets[chosen]), step, SEED)
                optimizer.zero_grad()
                with context:
                    value = loss(network(x), y)
                value.backward()
                optimizer.step()
                step += 1
            network.eval()
            with torch.no_grad(), context:
                accuracy = (network(val[0]).argmax(-1) == val[1]).float().mean().item()
        return accuracy


class AutogradLoss(nn.Module):
    """A loss's formula, differentiated by autograd."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.loss.per_class(logits.float(), label_distribution(logits.float(), target)).sum(-1).mean()


def near_cross_entropy(family: str, steps: Tensor) -> Loss:
    """Return a loss some small steps away from cross-entropy."""
    if family == "taylor":
        return TaylorLoss(cross_entropy_taylor(3).theta + steps)
    log_scale, q, g, c_1, c_2, tau, beta, margin = steps.tolist()
    drive = DriveLoss(math.exp(log_scale), q, g, (c_1, c_2))
    return drive if family == "drive" else ClassAwareLoss(drive, range(10, 110, 10), tau, beta, margin)


def candidates(count: int, family: str) -> list[Loss]:
    generator = torch.Generator().manual_seed(0)
    return [near_cross_entropy(family, 0.1 * torch.randn(8, generator=generator).double()) for _ in range(count)]


def timed(
    train: Callable[[Sequence[Loss]], object], count: int, clock: Callable[[], float], family: str = "taylor"
) -> float:
    """Return seconds per candidate."""
    losses = candidates(count, family)
    started = clock()
    train(losses)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (clock() - started) / count


def measure(bench: Bench, sizes: Sequence[int], rounds: int, clock: Callable[[], float], family: str) -> None:
    population = bench.population()
    ways = {"Trainer": bench.trainer(), "bare": bench.bare(), "bare autograd": bench.bare_autograd()}
    best: dict[object, float] = {}
    for turn in range(rounds + 1):
        for name, train in ways.items():
            seconds = timed(train, 2, clock, family)
            best[name] = min(seconds, best.get(name, seconds)) if turn else float("inf")
        for size in sizes:
            seconds = timed(population, size, clock, family)
            best[size] = min(seconds, best.get(size, seconds)) if turn else float("inf")
    print(f"{'':16}{'candidates/min':>16}{'x bare':>9}{'x bare autograd':>17}{'x Trainer':>11}")
    for name in (*ways, *sizes):
        label = f"population of {name}" if isinstance(name, int) else name
        ratios = [best[way] / best[name] for way in ("bare", "bare autograd", "Trainer")]
        print(f"{label:16}{60 / best[name]:16.0f}{ratios[0]:9.2f}{ratios[1]:17.2f}{ratios[2]:11.2f}")


def peak_memory(options: argparse.Namespace, task: str, way: str, count: int) -> float:
    """Return MiB: of the GPU, or of this whole process (Linux alone tells)."""
    bench = make_bench(options, task)
    getattr(bench, way)()(candidates(count, options.family))
    if bench.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage: to it, a child's peak is at least what its parent had when it started the child.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 2**10 if peak else float("nan")


def make_bench(options: argparse.Namespace, task: str) -> Bench:
    torch.set_num_threads(options.threads)
    datamodule = CASES[task].data(options.data or "")
    datamodule.setup("fit")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Bench(CASES[task], datamodule, device, options.precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=CASES, default=["digits_mlp", "digits_small_cnn"])
    parser.add_argument("--family", choices=["taylor", "drive", "class_aware"], default="taylor")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: fair on a busy machine with one thread")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--data", help="folder with MNIST/raw and cifar10")
    parser.add_argument("--memory", action="store_true", help="measure peak memory, each in a process of its own")
    options = parser.parse_args()
    for task in options.tasks:
        bench = make_bench(options, task)
        print(
            f"\n{task} on {bench.device}, {options.threads} thread(s), {options.precision}, torch {torch.__version__}"
        )
        measure(bench, options.sizes, options.rounds, CLOCKS[options.clock], options.family)
        if options.memory:
            print("peak MiB:")
            for way, count in (("bare", 2), ("trainer", 2), *(("population", size) for size in options.sizes)):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(f"  {way} of {count}: {pool.apply(peak_memory, (options, task, way, count)):.0f}")


if __name__ == "__main__":
    main()
