"""How well the trainability rules tell, before training, which losses train.

python tests/benchmarks/trainability.py [--data DIR] [--candidates 400] [--seed 0]

Random third-order Taylor losses, theta ~ N(0, 1.2^2) in the authors' folded form, train all at once from the same
initial weights on the same batches. "Trains" means an accuracy on unseen images above chance by 0.222 of the rest
(0.3 for ten classes). For each rule: precision and recall of "accept" against "trains", and F1. The mean field accepts
what it predicts to reach the same accuracy; its correlation with the real accuracy is given, too.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import precision_recall_fscore_support
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from glo_lightning.losses import TaylorLoss
from glo_lightning.models import mlp, small_cnn
from glo_lightning.theory import default_kappa, predict_accuracy, probe_kernel, trainability

CHUNK = 100


@dataclass(frozen=True)
class Data:
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Configuration:
    name: str
    build: Callable[[], nn.Module]
    data: Data
    learning_rate: float = 0.1
    momentum: float = 0.9
    steps: int = 400
    batch_size: int = 64


def digits() -> Data:
    pixels, target = load_digits(return_X_y=True)
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(0))
    inputs = (torch.from_numpy(pixels).float() / 16.0).reshape(-1, 1, 8, 8)[order]
    target = torch.from_numpy(target)[order]
    return Data((inputs[:1297], target[:1297]), (inputs[1297:], target[1297:]))


def mnist(root: str) -> Data:
    from torchvision.datasets import MNIST

    train, test = (MNIST(root, train=part) for part in (True, False))
    scaled = [(data.data.unsqueeze(1).float() / 255.0, data.targets) for data in (train, test)]
    return Data(scaled[0], (scaled[1][0][:2000], scaled[1][1][:2000]))


def accuracies(losses: Sequence[TaylorLoss], configuration: Configuration, seed: int) -> Tensor:
    """Train a copy of one network with each loss, and return the accuracies on unseen images, (K,)."""
    torch.manual_seed(seed)
    network = configuration.build()
    return torch.cat(
        [_train(losses[k : k + CHUNK], network, configuration, seed) for k in range(0, len(losses), CHUNK)]
    )


def _train(losses: Sequence[TaylorLoss], network: nn.Module, configuration: Configuration, seed: int) -> Tensor:
    weights = {
        name: value.detach().expand(len(losses), *value.shape).clone().requires_grad_()
        for name, value in network.named_parameters()
    }
    _, numbers = stack_module_state(list(losses))
    optimizer = torch.optim.SGD(weights.values(), configuration.learning_rate, configuration.momentum)
    outputs = vmap(lambda own, inputs: functional_call(network, own, (inputs,)), in_dims=(0, None))
    values = vmap(lambda own, logits, target: functional_call(losses[0], own, (logits, target)), in_dims=(0, 0, None))
    inputs, target = configuration.data.train
    generator = torch.Generator().manual_seed(seed)
    for _ in range(configuration.steps):
        batch = torch.randint(len(target), (configuration.batch_size,), generator=generator)
        optimizer.zero_grad()
        values(numbers, outputs(weights, inputs[batch]), target[batch]).sum().backward()
        optimizer.step()
    inputs, target = configuration.data.test
    with torch.no_grad():
        hits = [
            (outputs(weights, part).argmax(-1) == labels).float().sum(-1)
            for part, labels in zip(inputs.split(250), target.split(250), strict=True)
        ]
    return torch.stack(hits).sum(0) / len(target)


def measure(configuration: Configuration, num_candidates: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    thetas = 1.2 * torch.randn(num_candidates, 8, generator=generator, dtype=torch.float64)
    losses = [TaylorLoss(theta, folded=True) for theta in thetas]
    started = time.perf_counter()
    accuracy = accuracies(losses, configuration, seed)
    trained_seconds = time.perf_counter() - started
    trains = accuracy > 0.1 + 0.222 * 0.9

    torch.manual_seed(seed)
    network = configuration.build()
    inputs, target = configuration.data.train
    probe = probe_kernel(network, inputs[:500], target[:500])
    started = time.perf_counter()
    verdicts = [trainability(loss, 10) for loss in losses]
    fitted = [trainability(loss, 10, kappa=probe.kappa).stable for loss in losses]
    verdict_seconds = (time.perf_counter() - started) / 2
    started = time.perf_counter()
    predicted = predict_accuracy(
        losses,
        probe,
        configuration.learning_rate,
        configuration.steps,
        configuration.momentum,
        configuration.batch_size,
        seed=seed,
    )
    predicted_seconds = time.perf_counter() - started

    rules = {
        "paper": [verdict.paper for verdict in verdicts],
        "exact": [verdict.exact for verdict in verdicts],
        "stable, kappa 0": [verdict.exact and verdict.curvature > 0.0 for verdict in verdicts],
        f"stable, kappa {default_kappa(10):g}": [verdict.stable for verdict in verdicts],
        f"stable, kappa {probe.kappa:.2f} (probe)": fitted,
        "mean field": (predicted > 0.1 + 0.222 * 0.9).tolist(),
    }
    print(
        f"\n{configuration.name}: {num_candidates} losses, seed {seed}, {configuration.steps} steps of "
        f"{configuration.batch_size}, learning rate {configuration.learning_rate}, momentum {configuration.momentum}"
    )
    print(f"{trains.float().mean():.0%} train, best {accuracy.max():.3f}; kernel rho {probe.rho:.0f}")
    print(f"{'rule':<28}{'accepts':>9}{'precision':>11}{'recall':>9}{'F1':>8}")
    for rule, accepted in rules.items():
        precision, recall, f1, _ = precision_recall_fscore_support(
            trains.tolist(), accepted, average="binary", zero_division=0.0
        )
        share = sum(map(bool, accepted)) / num_candidates
        print(f"{rule:<28}{share:>9.0%}{precision:>11.3f}{recall:>9.3f}{f1:>8.3f}")
    correlation = torch.corrcoef(torch.stack([predicted, accuracy.double()]))[0, 1]
    print(f"mean field against real accuracy: correlation {correlation:.3f}")
    print(
        f"per candidate: training {1e3 * trained_seconds / num_candidates:.0f} ms, "
        f"mean field {1e3 * predicted_seconds / num_candidates:.2f} ms, "
        f"verdicts {1e6 * verdict_seconds / num_candidates:.0f} us",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds MNIST/raw")
    parser.add_argument("--candidates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="part of the name of the configurations to run")
    options = parser.parse_args()
    configurations = [
        Configuration("digits, 64-64-10 perceptron", mlp, digits()),
        Configuration("digits, 64-64-64-64-10 perceptron", lambda: mlp(hidden=(64, 64, 64)), digits()),
        Configuration("digits, convolutional", lambda: small_cnn(width=8), digits()),
    ]
    if options.data:
        build = lambda: mlp(in_features=784, hidden=(64,))  # noqa: E731
        configurations.append(Configuration("MNIST, 784-64-10 perceptron", build, mnist(options.data)))
    for configuration in configurations:
        if options.only is None or options.only in configuration.name:
            measure(configuration, options.candidates, options.seed)


if __name__ == "__main__":
    main()
