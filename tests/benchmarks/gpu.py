"""What a GPU does for a search, in one command and within so many minutes.

    python tests/benchmarks/gpu.py --minutes 9 [--data DIR] [--quick]

Candidates per minute of populations, beside one candidate after another with the Trainer on the same device, in fp32
and bf16; a step of a loss beside cross-entropy's, eager and compiled; then a drive search on CIFAR-10 with 60 % of the
labels wrong, and its verdict. Every row is a line of --rows as soon as it is measured, so that a run that is cut off
counts, and one that is begun again measures what is missing. --quick shows on any machine that it runs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from loss_step import SHAPES, measure, step
from page.records import Record
from page.searching import search
from page.tasks import WORKS
from torch import nn

from glo_lightning.data import DigitsDataModule, FolderDataModule, VisionDataModule
from glo_lightning.losses import DriveLoss, cross_entropy_taylor
from glo_lightning.models import Classifier, mlp, mnist_cnn
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator

POPULATIONS = (1, 8, 20, 40)
PRECISIONS = ("32-true", "bf16-mixed")
STEPS = 100
"""Of a training whose speed is measured, where an epoch is not shorter."""

Row = dict[str, Any]


def fast_cnn() -> nn.Sequential:
    """Return a network after the fast ones for CIFAR-10: few layers, all of them wide. Source: arXiv:2404.00498."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 64), (64, 256), (256, 256)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.GELU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.MaxPool2d(2)]
        layers += [nn.BatchNorm2d(outputs), nn.GELU()]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(256, 10))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[Path], Any], str]] = {
    "digits, MLP": (mlp, lambda folder: DigitsDataModule(), ""),
    "MNIST, CNN": (mnist_cnn, lambda folder: VisionDataModule("mnist", str(folder)), "MNIST"),
    "CIFAR-10, fast CNN": (fast_cnn, lambda folder: FolderDataModule(str(folder / "cifar10"), 10), "cifar10"),
}
"""Network, data, and the folder of the data, if they do not come along."""


def task_of(name: str, datamodule: Any, precision: str) -> Task:
    trainer = {"max_epochs": 1, "limit_train_batches": STEPS, "limit_val_batches": 1, "precision": precision}
    network = NETWORKS[name][0]
    return python_task(lambda: Classifier(network()), datamodule, {**trainer, "accelerator": "auto", "devices": 1})


def seconds(evaluator: Any, count: int) -> float:
    """Return the time of so many candidates, after a first one that warms up."""
    losses = [DriveLoss(1.0 + 0.01 * place) for place in range(count)]
    for runs in ([Run(losses[0], 0)] * count, [Run(loss, 0) for loss in losses]):
        started = time.perf_counter()
        evaluations = evaluator.evaluate(runs)
    if any(each.status is Status.FAILED for each in evaluations):
        raise RuntimeError(evaluations[0].reason)
    return time.perf_counter() - started


def throughput(folder: Path, quick: bool) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """Yield what each row is of, and what measures it."""
    for name, (_, make, needed) in list(NETWORKS.items())[: 1 if quick else None]:
        if needed and not (folder / needed).exists():
            continue
        datamodule = make(folder)
        for precision in PRECISIONS[: 1 if quick else None]:
            task = task_of(name, datamodule, precision)
            for count in (0, *(POPULATIONS[:2] if quick else POPULATIONS)):
                evaluator = PopulationEvaluator(task, Monitor()) if count else TrainerEvaluator(task, Monitor())
                one = {"row": "candidates", "task": name, "precision": precision, "population": count}

                def measured(evaluator: Any = evaluator, count: int = count or 4) -> Row:
                    return {"per_minute": round(60.0 * count / seconds(evaluator, count), 1)}

                yield one, measured


def steps(device: torch.device, quick: bool) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """Yield a row for each shape: microseconds of a step, eager and, on a GPU, compiled."""
    for shape in SHAPES[: 1 if quick else None]:

        def measured(shape: tuple[int, int] = shape) -> Row:
            logits = torch.randn(shape, device=device, requires_grad=True)
            target = torch.randint(shape[1], shape[:1], device=device)
            losses: dict[str, Any] = {
                "cross-entropy": nn.CrossEntropyLoss(),
                "taylor": cross_entropy_taylor(3).to(device),
                "drive": DriveLoss(1.3, 0.4, 0.5, (1.0, -2.0), shape[1]).to(device),
            }
            if device.type == "cuda":
                torch._dynamo.reset()
                losses |= {f"compiled {name}": torch.compile(loss) for name, loss in losses.items()}
            found = measure({name: step(loss, logits, target) for name, loss in losses.items()}, 0.1 if quick else 2.0)
            return {"microseconds": {name: round(each, 1) for name, each in found.items()}}

        yield {"row": "step", "shape": list(shape)}, measured


def verdict(options: argparse.Namespace) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """Yield the search; what it has trained when it is cut off is kept in --runs."""
    name = "digits" if options.quick else "cifar10"
    if name == "cifar10" and not (options.data / name).exists():
        return
    work = replace(WORKS[name], seeds=3, accelerator="auto")
    work = work.quick() if options.quick else work

    def measured() -> Row:
        started = time.perf_counter()
        data = work.corrupted(options.data, label_noise=0.6)
        searched = search(work, data, "drive", 0, options.runs / "gpu", quick=options.quick)
        record = Record.of(searched, name, "60 %", "drive", 0)
        return {"minutes": round((time.perf_counter() - started) / 60, 2), "record": record.to_dict()}

    yield {"row": "verdict", "task": name}, measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="after which no other row is begun")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of MNIST/raw and cifar10/train/CLASS")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"), help="where the search is kept")
    parser.add_argument("--rows", type=Path, default=Path("gpu.jsonl"), help="file of the rows")
    parser.add_argument("--quick", action="store_true", help="show that it runs, and measure nothing")
    options = parser.parse_args()
    if options.quick:
        options.kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # as long as the options are
        folder = Path(options.kept.name)
        options.runs, options.rows = folder / "runs", folder / "gpu.jsonl"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    named = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    torch.set_num_threads(1 if device.type == "cpu" else torch.get_num_threads())
    lines = options.rows.read_text(encoding="utf-8").splitlines() if options.rows.exists() else []
    done = [json.loads(line)["of"] for line in lines]
    until = time.monotonic() + 60 * options.minutes
    for part in (throughput(options.data, options.quick), steps(device, options.quick), verdict(options)):
        for one, measured in part:
            of = {**one, "device": named}
            if of in done or time.monotonic() > until:
                continue
            try:
                row = {"of": of, **measured()}
            except RuntimeError as error:  # such as memory: the other rows can still be had
                row = {"of": of, "failed": str(error).splitlines()[0]}
            with options.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
