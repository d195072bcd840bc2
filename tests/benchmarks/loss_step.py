"""Times one forward and backward pass of a Taylor and of a drive loss beside cross-entropy's.

    python tests/benchmarks/loss_step.py [--order 3] [--threads 1] [--device cpu] [--seconds 4] [--no-compile]

Everything runs in one process, the contestants in turn, so that a busy machine slows all alike; the table
shows medians in microseconds and their ratios to torch's cross-entropy, eager or compiled.
"""

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from glo_lightning.losses import DriveLoss, TaylorLoss, cross_entropy_taylor, label_distribution

SHAPES = [(128, 10), (512, 100), (256, 1000), (1024, 1000), (64, 32000)]
LossFunction = Callable[[Tensor, Tensor], Tensor]


def plain_autograd(loss: TaylorLoss) -> LossFunction:
    """The formula as written: one-hot labels, every term, and autograd for the rest."""
    return lambda logits, target: (
        loss.elementwise(logits.softmax(-1), label_distribution(logits, target)).sum(-1).mean()
    )


def step(loss: LossFunction, logits: Tensor, target: Tensor) -> Callable[[], None]:
    def run() -> None:
        logits.grad = None
        loss(logits, target).backward()
        if logits.is_cuda:
            torch.cuda.synchronize()

    return run


def measure(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    for run in steps.values():
        for _ in range(10):
            run()
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["cross-entropy"]) < 20:
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            times[name].append(1e6 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=4.0, help="per shape")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", module="torch")
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {name}, {arguments.threads} thread(s), order {arguments.order}, float32")
    loss = cross_entropy_taylor(arguments.order).to(device)
    losses: dict[str, LossFunction] = {
        "cross-entropy": nn.CrossEntropyLoss(),
        "taylor": loss,
        "drive": loss,  # of the classes of each shape, below
        "plain autograd": plain_autograd(loss),
    }
    if arguments.compile:
        losses["compiled cross-entropy"] = torch.compile(nn.CrossEntropyLoss())
        losses["compiled taylor"] = torch.compile(loss)
    print(f"{'shape':>14}" + "".join(f"{name:>24}" for name in losses))
    for shape in SHAPES:
        torch._dynamo.reset()
        logits = torch.randn(shape, device=device, requires_grad=True)
        target = torch.randint(shape[1], shape[:1], device=device)
        losses["drive"] = DriveLoss(1.3, 0.4, 0.5, (1.0, -2.0), shape[1]).to(device)
        found = measure({name: step(loss, logits, target) for name, loss in losses.items()}, arguments.seconds)
        cells = []
        for name, microseconds in found.items():
            reference = found["compiled cross-entropy" if name.startswith("compiled") else "cross-entropy"]
            cells.append(f"{microseconds:,.0f} ({microseconds / reference:.2f}x)")
        print(f"{shape!s:>14}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
