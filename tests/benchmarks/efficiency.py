"""How many trainings a search needs, and what makes it need fewer.

python tests/benchmarks/efficiency.py --tasks noisy clean --variants drive canonical [--seeds 10] [--data DIR]
python tests/benchmarks/efficiency.py --against drive --at 48    # only the table of what has been measured

A search is the beginning of every longer one of the same seed. For each budget of trainings the five best candidates
until then are scored again on validation with three fresh seeds, as a search does, and the winner is measured on the
test split with five more, which no search sees. Each seed is another split of the data with other wrong labels, the
same for all variants, which are therefore compared by pairs. Digits, 64-64-10; "mnist" is MNIST averaged to 14 x 14,
3,000 images to train on and 1,500 to validate, 196-64-10, and needs --data, a folder with MNIST/raw. "noisy" has half
of the training and validation labels wrong. What has been measured is kept in --output, and not measured again.
"""

import argparse
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cmaes import CMA, SepCMA
from numpy.polynomial import Polynomial
from scipy.special import comb
from scipy.stats import ttest_rel
from torch import Tensor, nn
from torchvision.datasets import MNIST

from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.losses import (
    CrossEntropyLoss,
    DriveLoss,
    Loss,
    TaylorLoss,
    cross_entropy_taylor,
    known_losses,
    mean_squared_error_taylor,
)
from glo_lightning.models import Classifier, mlp
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.cma import CmaEngine
from glo_lightning.search.exploration.explorer import least_favourable
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.base import VectorSpace
from glo_lightning.search.spaces.drive import EXPONENT, LOG_SCALE, DriveSpace
from glo_lightning.search.spaces.polynomial import CanonicalSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace
from glo_lightning.theory import canonical
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluation, Run, Status
from glo_lightning.training.task import Task, python_task

CLASSES, TOGETHER = 10, 96
FINALISTS, RESCORES, TESTS = 5, 3, 5
BUDGETS = (16, 24, 32, 48, 96)
CROSS_ENTROPY, LITERATURE = "cross-entropy", "known losses alone"
LONG_BUDGETS = (*BUDGETS, 192, 400)


# --- Tasks ----------------------------------------------------------------------------------------------------------


@cache
def read_mnist(root: str, train: bool) -> tuple[Tensor, Tensor]:
    images = MNIST(root, train=train)
    small = nn.functional.avg_pool2d(images.data.unsqueeze(1).float() / 255.0, 2)
    return small, images.targets


class SmallMnist(TensorDataModule):
    """Images to train on and to validate from MNIST's training set, others for each seed; all of its test images."""

    num_classes, input_shape = CLASSES, (1, 14, 14)

    def __init__(self, root: str, draw: int) -> None:
        super().__init__(batch_size=64)
        self.root, self.draw = root, draw

    def load(self) -> Splits:
        images, labels = read_mnist(self.root, train=True)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.draw))[:4500]
        train, val = order[:3000], order[3000:]
        return Splits((images[train], labels[train]), (images[val], labels[val]), read_mnist(self.root, train=False))


@dataclass(frozen=True)
class Problem:
    epochs: int
    corruption: Mapping[str, float] = field(default_factory=dict)
    mnist: bool = False

    @property
    def class_aware(self) -> bool:
        return "long_tail" in self.corruption

    @property
    def monitor(self) -> Monitor:
        return Monitor("val_balanced_accuracy" if self.class_aware else "val_accuracy")

    def task(self, seed: int, root: str) -> Task:
        inner = SmallMnist(root, seed) if self.mnist else DigitsDataModule(batch_size=64, split_seed=seed)
        data = CorruptedDataModule(inner, **self.corruption, seed=seed)  # type: ignore[arg-type]
        network = {"in_features": 196 if self.mnist else 64, "hidden": (64,)}
        return python_task(
            lambda: Classifier(mlp(**network), learning_rate=0.1, momentum=0.9),  # type: ignore[arg-type]
            data,
            {"max_epochs": self.epochs, "accelerator": "cpu"},
        )


TASKS = {
    "noisy": Problem(20, {"label_noise": 0.5}),
    "clean": Problem(12),
    "long_tail": Problem(20, {"long_tail": 50}),
    "mnist_noisy": Problem(10, {"label_noise": 0.5}, mnist=True),
    "mnist_clean": Problem(6, mnist=True),
}


# --- Parametrisations of the drive, beside the library's ------------------------------------------------------------


class BernsteinSpace:
    """Drive losses whose weight w(p) = p D(p) is a Bernstein polynomial in p, given by its coefficients.

    Args:
        link: makes coefficients of what is searched, 1 of 0.
        degree: of the polynomial.
    """

    def __init__(self, link: Callable[[np.ndarray], np.ndarray], degree: int = 4) -> None:
        self.link, self.degree = link, degree
        self.distributions = {f"b_{k}": LOG_SCALE for k in range(degree + 1)}
        self.scales: dict[str, float] = {}

    @property
    def cross_entropy(self) -> list[float]:
        return [0.0] * len(self.distributions)

    def points(self, losses: Iterable[DriveLoss]) -> list[dict[str, float]]:
        """Return the positive coefficients, as logarithms, whose weights are about those of losses.

        They are the weights at equal distances, by Bernstein's own theorem.
        """
        at = torch.linspace(0.0, 1.0, self.degree + 1, dtype=torch.float64).clamp(1e-3, 1.0)
        found = [each.shape.weight(at.log(), 1.0 - at).clamp(min=1e-3).log().tolist() for each in losses]
        return [dict(zip(self.distributions, each, strict=True)) for each in found]

    def build(self, parameters: Mapping[str, float]) -> DriveLoss:
        coefficients = self.link(np.array(list(parameters.values())))
        p, rest = Polynomial([1.0 / CLASSES, 1.0]), Polynomial([1.0 - 1.0 / CLASSES, -1.0])
        weight = sum(
            (each * comb(self.degree, k) * p**k * rest ** (self.degree - k) for k, each in enumerate(coefficients)),
            start=Polynomial([0.0]),
        )
        scale, *c = np.pad(weight.coef, (0, self.degree + 1 - len(weight.coef))).tolist()
        return DriveLoss(scale, 0.0, 0.0, [each / scale for each in c], CLASSES)


class ExponentSpace:
    """The drive family without its polynomial: scale and exponents at either end."""

    def __init__(self) -> None:
        self.distributions = {"log_scale": LOG_SCALE, "q": EXPONENT, "g": EXPONENT}
        self.cross_entropy = [0.0, 0.0, 0.0]
        self.scales: dict[str, float] = {}

    def build(self, parameters: Mapping[str, float]) -> DriveLoss:
        return DriveLoss(float(np.exp(parameters["log_scale"])), parameters["q"], parameters["g"], (), CLASSES)


# --- Variants -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A search: settings of the library, and what else is tried.

    Args:
        settings: of the search.
        space: other parameters than the settings ask for.
        units: what CMA-ES counts as 1 in some parameters.
        first: losses in the place of the first candidates, by their parameters.
        mean: start of the search instead of the settings'.
        make: the optimiser inside the engine.
        reseed: whether every generation trains with another seed.
        trainings: per candidate, with different seeds; their mean is its score.
        race: share of a generation that trains beyond half of the epochs; the others rank behind.
        choose: finalists out of all that were trained.
    """

    settings: Mapping[str, Any]
    space: Callable[[], VectorSpace] | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    first: Sequence[Mapping[str, float]] = ()
    mean: Mapping[str, float] | None = None
    make: Callable[..., Any] | None = None
    reseed: bool = False
    trainings: int = 1
    race: float = 1.0
    choose: str = "best"
    budgets: Sequence[int] = BUDGETS

    def but(self, **changes: Any) -> "Variant":
        """Return the variant with some settings, or some of its own arguments, changed."""
        own = {name: value for name, value in changes.items() if name in Variant.__dataclass_fields__}
        settings = {name: value for name, value in changes.items() if name not in own}
        return replace(self, settings={**self.settings, **settings}, **own)

    def until(self, longest: int) -> "Variant":
        """Return the variant without longer budgets."""
        return replace(self, budgets=[each for each in self.budgets if each <= longest])


def parameters_of(loss: DriveLoss) -> dict[str, float]:
    c = [*loss.c.tolist(), 0.0, 0.0]
    return {"log_scale": float(loss.scale.log()), "q": float(loss.q), "g": float(loss.g), "c_1": c[0], "c_2": c[1]}


KNOWN_LOSSES = [DriveLoss(), DriveLoss.like("gce"), DriveLoss.like("sce"), DriveLoss.like("agce", q=2.0)]
KNOWN = [parameters_of(each) for each in KNOWN_LOSSES]
ROBUST_MEAN = {name: float(np.mean([each[name] for each in KNOWN])) for name in KNOWN[0]}

KNOWN_POLYNOMIALS = [
    dict(zip(CanonicalSpace(3, CLASSES).distributions, canonical(loss, CLASSES).parameters, strict=True))
    for loss in (
        cross_entropy_taylor(3),
        mean_squared_error_taylor(3),
        TaylorLoss([0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0]),  # the mean absolute error, 2 (1 - h) of the target
    )
]

DRIVE = Variant({"family": "drive", "known_first": False})
CANONICAL = Variant({"family": "taylor", "parameters": "canonical", "start": "zeros", "population_size": 20})
THETA = Variant({"family": "taylor", "parameters": "theta", "population_size": 20})

VARIANTS = {
    "drive": DRIVE.but(budgets=LONG_BUDGETS),
    "canonical": CANONICAL.but(budgets=LONG_BUDGETS),
    "theta": THETA.but(budgets=LONG_BUDGETS),
    # what the drive family's parameters are
    "drive, exponents only": DRIVE.but(space=ExponentSpace),
    "drive, Bernstein": DRIVE.but(space=lambda: BernsteinSpace(lambda z: 1.0 + z)),
    "drive, Bernstein, positive": DRIVE.but(space=lambda: BernsteinSpace(np.exp)),
    "drive, Bernstein, signed logs": DRIVE.but(space=lambda: BernsteinSpace(lambda z: np.sinh(z + np.arcsinh(1.0)))),
    "drive, units of c 4": DRIVE.but(units={"c_1": 4.0, "c_2": 4.0}),
    # population, step size, scale
    **{f"drive, {size}": DRIVE.but(population_size=size) for size in (6, 12, 20)},
    **{f"drive, sigma {sigma}": DRIVE.but(sigma=sigma) for sigma in (0.3, 1.2)},
    "drive, normalized": DRIVE.but(space=lambda: DriveSpace(CLASSES, with_scale=False)),
    **{f"canonical, {size}": CANONICAL.but(population_size=size) for size in (8, 12, 40)},
    "canonical, from cross-entropy": CANONICAL.but(start="cross_entropy"),
    "canonical, from cross-entropy, 8": CANONICAL.but(start="cross_entropy", population_size=8),
    "canonical, sigma 0.6, from cross-entropy": CANONICAL.but(start="cross_entropy", sigma=0.6),
    "canonical, normalized": CANONICAL.but(normalize="drive"),
    "canonical, no invariant": CANONICAL.but(invariant="none"),
    "canonical, stable": CANONICAL.but(invariant="stable"),
    "canonical, resampled": CANONICAL.but(on_violation="resample"),
    "canonical, stable, resampled": CANONICAL.but(invariant="stable", on_violation="resample"),
    "theta, from cross-entropy": THETA.but(start="cross_entropy"),
    "theta, normalized": THETA.but(normalize="drive"),
    # what else could save trainings
    "drive, known losses first": DRIVE.but(known_first=True),
    "drive, known losses first, classes alike": DRIVE.but(first=KNOWN),
    "drive, known losses first, units of c 4": DRIVE.but(known_first=True, units={"c_1": 4.0, "c_2": 4.0}),
    "drive, known losses first, 12": DRIVE.but(known_first=True, population_size=12),
    "drive, known losses first, another seed each generation": DRIVE.but(known_first=True, reseed=True),
    "drive, known losses first, two seeds": DRIVE.but(known_first=True, trainings=2),
    "drive, exponents only, known losses first": DRIVE.but(space=ExponentSpace, first=KNOWN[:2]),
    "drive, Bernstein, positive, known losses first": DRIVE.but(
        space=lambda: BernsteinSpace(np.exp), first=BernsteinSpace(np.exp).points(KNOWN_LOSSES)
    ),
    "canonical, known losses first": CANONICAL.but(first=KNOWN_POLYNOMIALS),
    "drive, from the known losses' mean": DRIVE.but(mean=ROBUST_MEAN),
    "drive, learning rate adapted": DRIVE.but(make=lambda **given: CMA(lr_adapt=True, **given)),
    "drive, separable": DRIVE.but(make=SepCMA),
    "drive, another seed each generation": DRIVE.but(reseed=True),
    "drive, two seeds": DRIVE.but(trainings=2),
    "drive, race": DRIVE.but(race=0.5),
    "drive, finalists smoothed": DRIVE.but(choose="smoothed"),
    "drive, finalists with the mean": DRIVE.but(choose="mean"),
}


# --- A search -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """A candidate that trained: its coordinates, its score unless it was stopped, what all until then cost.

    The last number is of those proposed until then, trained or not.
    """

    theta: np.ndarray
    score: float | None
    cost: float
    proposed: int


@dataclass(frozen=True)
class Request:
    """Trainings that a search waits for."""

    runs: Sequence[Run]
    split: str = "val"


Search = Generator[Request, list[Evaluation], dict[str, list[float]]]


def score(losses: Sequence[Loss], seed: int, split: str) -> Generator[Request, list[Evaluation], list[float]]:
    """Train losses with fresh seeds, and return the mean metric of each."""
    first, count = (1000, RESCORES) if split == "val" else (2000, TESTS)
    seeds = range(first + 100_000 * (seed + 1), first + 100_000 * (seed + 1) + count)
    evaluations = yield Request([Run(loss, own) for loss in losses for own in seeds], split)
    means: list[float] = np.array([each.metric for each in evaluations]).reshape(-1, count).mean(-1).tolist()
    return means


def list_known(problem: Problem, counts: Sequence[int]) -> list[Loss]:
    return [each.loss for each in known_losses(CLASSES, counts if problem.class_aware else None).values()]


def choose(losses: Sequence[Loss], seed: int) -> Search:
    """Search nothing: train each loss once, and choose among them as a search does."""
    evaluations = yield Request([Run(loss, seed) for loss in losses])
    best = sorted(range(len(losses)), key=lambda place: -evaluations[place].metric)[:FINALISTS]
    rescored = yield from score([losses[place] for place in best], seed, "val")
    winner = int(np.argmax(rescored))
    tested = yield from score([losses[best[winner]]], seed, "test")
    return {str(len(losses)): [tested[0], rescored[winner], len(losses)]}


class Searcher:
    """A search as it asks for its trainings, so that many can train together.

    Args:
        variant: of the search.
        problem: what is searched for.
        seed: of the search; its data have the same.
        counts: training samples of each class.
    """

    def __init__(self, variant: Variant, problem: Problem, seed: int, counts: Sequence[int]) -> None:
        self.variant, self.problem, self.seed = variant, problem, seed
        self.settings = SearchSettings(
            **{**variant.settings, "class_aware": problem.class_aware, "monitor": problem.monitor.name, "seed": seed}
        )
        counts = counts if problem.class_aware else ()
        vectors: VectorSpace = make_space(self.settings, CLASSES, class_counts=counts)
        if variant.space is not None:
            vectors = ClassAwareSpace(variant.space(), counts) if counts else variant.space()
        self.names = list(vectors.distributions)
        self.units = np.array([{**vectors.scales, **variant.units}.get(name, 1.0) for name in self.names])
        self.space = as_asked(vectors, self.settings, CLASSES)
        from_cross_entropy = self.settings.family == "drive" or self.settings.start == "cross_entropy"
        mean = vectors.cross_entropy if from_cross_entropy else [0.0] * len(self.names)
        if variant.mean is not None:
            mean = [variant.mean.get(name, 0.0) for name in self.names]
        bounds = np.array([[each.low, each.high] for each in vectors.distributions.values()]) / self.units[:, None]
        first = vectors.known if self.settings.opens_with_known else []
        first += [[known.get(name, 0.0) for name in self.names] for known in variant.first]
        size, resample = self.settings.candidates_per_generation, self.settings.on_violation == "resample"
        start = np.array(mean) / self.units
        self.engine = CmaEngine(
            start,
            self.settings.step_size,
            size,
            seed,
            bounds,
            self._may_train if resample else None,
            [np.array(each) / self.units for each in first],
        )
        if variant.make is not None:
            self.engine._cma = variant.make(
                mean=start, sigma=self.settings.step_size, population_size=size, bounds=bounds
            )
        self.tried: list[Tried] = []
        self.means: list[tuple[float, np.ndarray]] = []

    def build(self, theta: np.ndarray) -> Loss:
        return self.space.build(dict(zip(self.names, (theta * self.units).tolist(), strict=True)))

    def run(self) -> Search:
        """Search as long as the largest budget lasts, then judge every budget."""
        cost = 0.0
        while cost < max(self.variant.budgets):
            cost = yield from self._generation(cost)
        chosen = {budget: self._finalists(budget) for budget in self.variant.budgets}
        everybody = {theta.tobytes(): self.build(theta) for finalists in chosen.values() for theta in finalists}
        means = yield from score(list(everybody.values()), self.seed, "val")
        rescored = dict(zip(everybody, means, strict=True))
        winners = {
            budget: max((theta.tobytes() for theta in finalists), key=rescored.__getitem__)
            for budget, finalists in chosen.items()
        }
        best = dict.fromkeys(winners.values())
        means = yield from score([everybody[key] for key in best], self.seed, "test")
        tested = dict(zip(best, means, strict=True))
        proposed = {budget: [each.proposed for each in self.tried if each.cost <= budget][-1] for budget in winners}
        return {str(budget): [tested[key], rescored[key], proposed[budget]] for budget, key in winners.items()}

    def _generation(self, cost: float) -> Generator[Request, list[Evaluation], float]:
        thetas = [self.engine.candidate(index) for index in range(self.engine.population_size)]
        losses = [self.build(theta) for theta in thetas]
        trained = [place for place, loss in enumerate(losses) if self._violation(loss) == 0.0]
        seed = self.seed + 100 * self.engine.generation * self.variant.reseed
        seeds = [seed + 10_000 * k for k in range(self.variant.trainings)]
        evaluations = yield Request([Run(losses[place], own) for place in trained for own in seeds])
        scores = np.array([each.metric for each in evaluations]).reshape(-1, len(seeds)).mean(-1)
        places: list[tuple[float, float]] = [(3.0, self._violation(loss)) for loss in losses]
        stopped = self._outraced(evaluations)
        results: dict[int, float] = {}
        for place, score, own in zip(trained, scores, range(len(trained)), strict=True):
            diverged = evaluations[own * len(seeds)].status is Status.DIVERGED
            if own in stopped:
                places[place] = (1.0, -stopped[own])
            else:
                places[place] = (2.0 if diverged else 0.0, -score)
                results[place] = score
        order = sorted(places)
        self.engine.tell(
            [
                Outcome(theta, order.index(key), results.get(place))
                for place, (theta, key) in enumerate(zip(thetas, places, strict=True))
            ]
        )
        half = 0.5 if stopped else 1.0
        for place, own in zip(trained, range(len(trained)), strict=True):
            cost += len(seeds) * (half if own in stopped else 1.0)
            proposed = (self.engine.generation - 1) * len(thetas) + place + 1
            self.tried.append(Tried(thetas[place], results.get(place), cost, proposed))
        self.means.append((cost, self.engine.mean))
        return cost

    def _outraced(self, evaluations: Sequence[Evaluation]) -> dict[int, float]:
        """Return which trainings would have been stopped after half of their epochs, and what they had then."""
        if self.variant.race == 1.0:
            return {}
        middle = self.problem.epochs // 2 - 1
        half = [each.curve[middle] if len(each.curve) > middle else 0.0 for each in evaluations]
        kept = round(len(half) * self.variant.race)
        return {place: half[place] for place in sorted(range(len(half)), key=lambda place: -half[place])[kept:]}

    def _finalists(self, budget: int) -> list[np.ndarray]:
        within = [each for each in self.tried if each.score is not None and each.cost <= budget]
        thetas, scores = np.array([each.theta for each in within]), np.array([each.score for each in within])
        if self.variant.choose == "smoothed":  # each score is averaged with its neighbours', the nearer the more
            spread = thetas.std(0) + 1e-9
            distances = (((thetas[:, None] - thetas) / spread) ** 2).mean(-1)
            weights = np.exp(-distances / 0.5)
            scores = weights @ scores / weights.sum(-1)
        best = [thetas[place] for place in np.argsort(-scores, kind="stable")[:FINALISTS]]
        if self.variant.choose == "mean":
            best[-1] = [mean for cost, mean in self.means if cost <= budget][-1]
        return best

    def _violation(self, loss: Loss) -> float:
        if self.settings.invariant == "none":
            return 0.0
        verdict = least_favourable(loss, [CLASSES], self.settings.invariant)
        return (
            0.0 if getattr(verdict, self.settings.invariant) else max(1e-12, verdict.violation(self.settings.invariant))
        )

    def _may_train(self, theta: np.ndarray) -> bool:
        return self._violation(self.build(theta)) == 0.0


# --- Many searches --------------------------------------------------------------------------------------------------


def search_together(searches: Mapping[str, Search], task: Task, monitor: Monitor) -> Iterable[tuple[str, Any]]:
    """Run searches side by side, their trainings in common populations; yield name and result of each at its end."""
    evaluators = {split: PopulationEvaluator(task, monitor, split=split) for split in ("val", "test")}  # type: ignore[arg-type]
    waiting = {name: next(search) for name, search in searches.items()}
    while waiting:
        for split in ("val", "test"):
            requests = {name: request for name, request in waiting.items() if request.split == split}
            runs = [run for request in requests.values() for run in request.runs]
            chunks = (runs[start : start + TOGETHER] for start in range(0, len(runs), TOGETHER))
            evaluations = iter([each for chunk in chunks for each in evaluators[split].evaluate(chunk)])
            for name, request in requests.items():
                try:
                    waiting[name] = searches[name].send([next(evaluations) for _ in request.runs])
                except StopIteration as end:
                    del waiting[name]
                    yield name, end.value


def read(output: Path) -> dict[tuple[str, str, int], dict[str, list[float]]]:
    """Return what has been measured, by task, variant and seed."""
    lines = output.read_text().splitlines() if output.exists() else []
    records = map(json.loads, lines)
    return {(each["task"], each["variant"], each["seed"]): each["found"] for each in records}


def measure(options: argparse.Namespace, variants: Mapping[str, Variant]) -> None:
    """Run the searches that are not in the file of results, and add theirs."""
    for seed in range(options.seeds):
        for where in options.tasks:
            problem, done = TASKS[where], read(options.output)
            task = problem.task(seed, options.data)
            task.datamodule.setup("fit")
            counts = torch.bincount(task.datamodule.inner.train_tensors[1], minlength=CLASSES).tolist()  # type: ignore[union-attr]
            searchers: dict[str, Search] = {
                name: Searcher(variant.until(options.longest), problem, seed, counts).run()
                for name, variant in variants.items()
            }
            references = {CROSS_ENTROPY: [CrossEntropyLoss()], LITERATURE: list_known(problem, counts)}
            searchers |= {name: choose(losses, seed) for name, losses in references.items()}
            wanted = {name: each for name, each in searchers.items() if (where, name, seed) not in done}
            with options.output.open("a") as file:
                for name, found in search_together(wanted, task, problem.monitor):
                    record = {"task": where, "variant": name, "seed": seed, "found": found}
                    print(json.dumps(record), file=file, flush=True)
            print(f"{where}, seed {seed}: {len(wanted)} searches", flush=True)


def print_table(options: argparse.Namespace) -> None:
    """Print mean and standard error over seeds for each budget, and the comparison with one variant by pairs."""
    done = read(options.output)
    for task in options.tasks:
        print(f"\n{task}: test accuracy after so many trainings, ± standard error; p against {options.against}")
        for variant in (CROSS_ENTROPY, LITERATURE, *VARIANTS):
            seeds = sorted(seed for where, what, seed in done if (where, what) == (task, variant))
            if not seeds:
                continue
            cells = []
            for budget in done[task, variant, seeds[0]]:
                own = np.array([done[task, variant, seed][budget][0] for seed in seeds])
                error = own.std(ddof=1) / len(own) ** 0.5 if len(own) > 1 else 0.0
                cells.append(f"{budget}: {own.mean():.4f} ± {error:.4f}")
            print(f"{variant:42} {len(seeds):2}  {'  '.join(cells)}  {_compared(done, task, variant, options)}")


def _compared(done: Mapping[Any, Any], task: str, variant: str, options: argparse.Namespace) -> str:
    """Return the mean difference from the variant that all are compared with at one budget, and its paired p."""
    pairs = [
        (found[str(options.at)][0], done[task, options.against, seed][str(options.at)][0])
        for (where, what, seed), found in done.items()
        if (where, what) == (task, variant) and (task, options.against, seed) in done and str(options.at) in found
    ]
    if variant == options.against or len(pairs) < 2:
        return ""
    own, other = np.array(pairs).T
    return f"{(own - other).mean():+.4f} at {options.at}, p = {ttest_rel(own, other).pvalue:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["noisy", "clean", "long_tail"])
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=["drive", "canonical", "theta"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--longest", type=int, default=max(LONG_BUDGETS), help="largest budget")
    parser.add_argument("--data", default="data", help="folder with MNIST/raw")
    parser.add_argument("--output", type=Path, default=Path("efficiency.jsonl"), help="what has been measured")
    parser.add_argument("--against", choices=list(VARIANTS), default="drive", help="what all are compared with")
    parser.add_argument("--at", type=int, default=48, help="after how many trainings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    measure(options, {name: VARIANTS[name] for name in options.variants})
    print_table(options)


if __name__ == "__main__":
    main()
