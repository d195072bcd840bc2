"""A search as it asks for its trainings, and judged as if it had been stopped after each of some budgets."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from cost.tasks import CLASSES, Problem
from cost.trainings import FINALISTS, Request, Search, score
from cost.variant import Variant
from glo_lightning.losses import Loss
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.cma import CmaEngine
from glo_lightning.search.exploration.explorer import least_favourable
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.base import VectorSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace
from glo_lightning.training.run import Evaluation, Run, Status


@dataclass(frozen=True)
class Tried:
    """A candidate that trained: its coordinates, its score unless it was stopped, what all until then cost.

    The last number is of those proposed until then, trained or not.
    """

    theta: np.ndarray
    score: float | None
    cost: float
    proposed: int


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
        for place, mean, own in zip(trained, scores, range(len(trained)), strict=True):
            diverged = evaluations[own * len(seeds)].status is Status.DIVERGED
            if own in stopped:
                places[place] = (1.0, -stopped[own])
            else:
                places[place] = (2.0 if diverged else 0.0, -mean)
                results[place] = mean
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
