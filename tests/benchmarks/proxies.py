"""Which cheap training ranks losses as the full one does.

python tests/benchmarks/proxies.py --data DIR [--network mlp|cnn] [--noise 0 0.5] [--candidates 48]

MNIST averaged to 14 x 14, 3,000 images to train on, as in efficiency.py. Candidates are what searches draw first: half
of them Taylor, half drive losses, those that may train. What a proxy should tell is the test accuracy of the full
training, mean of three seeds; it is told by the validation accuracy of one cheap training, whose seed is another. For
each proxy: its cost beside the full training's, in samples seen; Spearman's rank correlation, over all candidates and
over the better half, where telling them apart is what a search is for; and the test accuracy, fully trained, of the
best of the proxy's five, short of the best there is. "full training" is the same training once more: no proxy can be
asked for more.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from cost.measure import TOGETHER
from cost.tasks import CLASSES, SmallMnist
from scipy.stats import spearmanr
from torch import nn

from glo_lightning.data import CorruptedDataModule
from glo_lightning.losses import Loss
from glo_lightning.models import Classifier, mlp, small_cnn
from glo_lightning.search.spaces.drive import DriveSpace
from glo_lightning.search.spaces.polynomial import CanonicalSpace
from glo_lightning.theory import trainability
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluation, Run
from glo_lightning.training.task import python_task

EPOCHS, SEEDS, BEST = 16, 3, 5
SHARES = (2, 4, 8)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: mlp(in_features=196, hidden=(64,)),
    "cnn": lambda: small_cnn(input_shape=(1, 14, 14), width=8),
}


def draw(count: int) -> list[Loss]:
    """Return what searches draw first: half of them of each family, those that start downhill."""
    rng, losses = np.random.default_rng(0), []
    for space, sigma in ((CanonicalSpace(3, CLASSES), 1.2), (DriveSpace(CLASSES), 0.6)):
        own: list[Loss] = []
        while len(own) < count // 2:
            values = np.maximum(rng.normal(0.0, sigma, len(space.distributions)), -0.95)
            loss = space.build(dict(zip(space.distributions, values.tolist(), strict=True)))
            if trainability(loss, CLASSES).exact:
                own.append(loss)
        losses += own
    return losses


def train(
    losses: Sequence[Loss],
    seeds: Sequence[int],
    options: argparse.Namespace,
    noise: float,
    split: str = "val",
    images: float = 1.0,
    batches: float = 1.0,
) -> list[Evaluation]:
    """Train every loss with every seed, on a share of the images or for a share of each epoch's batches."""
    inner = SmallMnist(options.data, 0)
    inner.training_fraction = images
    task = python_task(
        lambda: Classifier(NETWORKS[options.network](), learning_rate=0.1, momentum=0.9),
        CorruptedDataModule(inner, label_noise=noise),
        {"max_epochs": EPOCHS, "accelerator": "cpu", "limit_train_batches": batches},
    )
    evaluator = PopulationEvaluator(task, Monitor(), split=split)  # type: ignore[arg-type]
    runs = [Run(loss, seed) for loss in losses for seed in seeds]
    return [each for k in range(0, len(runs), TOGETHER) for each in evaluator.evaluate(runs[k : k + TOGETHER])]


def tell(name: str, cost: float, proxy: np.ndarray, truth: np.ndarray) -> None:
    better = truth >= np.median(truth)
    found = truth[np.argsort(-proxy, kind="stable")[:BEST]].max()
    everybody, best = (spearmanr(proxy[part], truth[part]).statistic for part in (slice(None), better))
    print(f"{name:28} {cost:6.3f} {everybody:8.2f} {best:12.2f} {found - truth.max():+10.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data", help="folder with MNIST/raw")
    parser.add_argument("--network", choices=list(NETWORKS), default="mlp")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--candidates", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    losses = draw(options.candidates)
    for noise in options.noise:
        print(f"\n{options.network}, {noise:.0%} of the labels wrong")
        print(f"{'proxy':28} {'cost':>6} {'all':>8} {'better half':>12} {'found':>10}")
        tests = train(losses, range(1, 1 + SEEDS), options, noise, split="test")
        truth = np.array([each.metric for each in tests]).reshape(-1, SEEDS).mean(-1)
        full = train(losses, [0], options, noise)
        curves = np.array([[*each.curve, *[0.0] * (EPOCHS - len(each.curve))] for each in full])
        tell("full training", 1.0, curves[:, -1], truth)
        for share in SHARES:
            tell(f"1/{share} of the epochs", 1 / share, curves[:, EPOCHS // share - 1], truth)
        for share in SHARES:
            cheap = train(losses, [0], options, noise, batches=1 / share)
            tell(f"1/{share} of each epoch's batches", 1 / share, np.array([each.metric for each in cheap]), truth)
        for share in SHARES:
            cheap = train(losses, [0], options, noise, images=1 / share)
            tell(f"1/{share} of the images", 1 / share, np.array([each.metric for each in cheap]), truth)


if __name__ == "__main__":
    main()
