"""Other ways to compute a stack of models: convolutions, and a whole step compiled.

    OMP_NUM_THREADS=1 python tests/benchmarks/population_step.py [--rounds 6]

The ways take turns in one process; shown is the least processor time of a forward and a backward pass. The library
computes convolutions in groups of channels, and compiles nothing.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, one_hot, unfold

from glo_lightning.training.kept_memory import freed_memory_kept

CONVOLUTIONS = {
    "digits, second layer": (20, 128, 16, 32, 4),
    "MNIST, second layer": (20, 64, 32, 64, 14),
    "CIFAR-10, second layer": (8, 64, 64, 64, 16),
    "first layer": (20, 32, 16, 16, 28),
}
"""Models, examples, channels in and out, height and width."""

PERCEPTRONS = {"digits": (20, 64, 64, 64), "MNIST": (20, 128, 784, 200)}
"""Models, examples, inputs and hidden neurons."""

Convolution = Callable[[Tensor, Tensor, Tensor], Tensor]


def grouped(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    outputs = conv2d(x.flatten(1, 2), weight.flatten(0, 1), bias.flatten(), 1, 1, 1, len(weight))
    return outputs.view(len(x), len(weight), -1, *x.shape[3:])


def channels_last(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    inputs, weights = (
        each.contiguous(memory_format=torch.channels_last) for each in (x.flatten(1, 2), weight.flatten(0, 1))
    )
    return conv2d(inputs, weights, bias.flatten(), 1, 1, 1, len(weight)).view(len(x), len(weight), -1, *x.shape[3:])


def one_by_one(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.stack([conv2d(*each, 1, 1) for each in zip(x.unbind(1), weight, bias, strict=True)], 1)


def columns(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Unfold once, then one product of matrices for all."""
    examples, models, channels, height, width = x.shape
    unfolded = unfold(x.flatten(0, 1), 3, padding=1).view(examples, models, 9 * channels, height * width)
    return (weight.flatten(2) @ unfolded + bias.unsqueeze(-1)).view(examples, models, -1, height, width)


WAYS: dict[str, Convolution] = {
    "grouped": grouped,
    "channels last": channels_last,
    "one by one": one_by_one,
    "im2col": columns,
}


def least(ways: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the least milliseconds of processor time of each way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            started = time.process_time()
            run()
            if turn:
                times[name].append(1e3 * (time.process_time() - started))
    return {name: min(each) for name, each in times.items()}


def convolve(shape: Sequence[int], rounds: int) -> dict[str, float]:
    models, examples, channels, outputs, size = shape
    x = torch.randn(examples, models, channels, size, size, requires_grad=True)
    weight = torch.randn(models, outputs, channels, 3, 3, requires_grad=True)
    bias = torch.randn(models, outputs, requires_grad=True)
    slope = torch.randn(examples, models, outputs, size, size)
    expected = grouped(x, weight, bias)

    def step(way: Convolution) -> Callable[[], None]:
        torch.testing.assert_close(way(x, weight, bias), expected, rtol=1e-3, atol=1e-3)
        return lambda: torch.autograd.backward(way(x, weight, bias), slope)

    return least({name: step(way) for name, way in WAYS.items()}, rounds)


def train_perceptrons(shape: Sequence[int], rounds: int) -> dict[str, float]:
    """Time a step of SGD with momentum of a stack of perceptrons, eager and compiled."""
    models, examples, inputs, hidden = shape
    sizes = [(models, hidden, inputs), (models, hidden, 1), (models, 10, hidden), (models, 10, 1)]
    parameters = [nn.Parameter(0.1 * torch.randn(size)) for size in sizes]
    momenta = [torch.zeros_like(each) for each in parameters]
    x = torch.randn(inputs, examples).expand(models, -1, -1)
    y = one_hot(torch.randint(10, (examples,))).T.float()

    def loss() -> Tensor:
        weight, bias, weight_out, bias_out = parameters
        logits = torch.baddbmm(bias_out, weight_out, torch.baddbmm(bias, weight, x).relu())
        return -(logits.log_softmax(1) * y).sum(1).mean(1).sum()

    @torch.no_grad()
    def update(gradients: Sequence[Tensor]) -> None:
        for parameter, momentum, gradient in zip(parameters, momenta, gradients, strict=True):
            parameter.add_(momentum.mul_(0.9).add_(gradient), alpha=-0.01)

    compiled_loss, compiled_update = torch.compile(loss), torch.compile(update)
    started = time.perf_counter()
    compiled_update(torch.autograd.grad(compiled_loss(), parameters))
    print(f"compiled in {time.perf_counter() - started:.0f} s")
    return least(
        {
            "eager": lambda: update(torch.autograd.grad(loss(), parameters)),
            "compiled": lambda: compiled_update(torch.autograd.grad(compiled_loss(), parameters)),
        },
        10 * rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for what, shapes, measure in (
        ("convolution", CONVOLUTIONS, convolve),
        ("perceptrons", PERCEPTRONS, train_perceptrons),
    ):
        for name, shape in shapes.items():
            with freed_memory_kept():  # as in a search
                found = measure(shape, options.rounds)
            print(f"{what}, {name} {shape}: " + ", ".join(f"{way} {each:.2f} ms" for way, each in found.items()))


if __name__ == "__main__":
    main()
