"""GLO's genetic algorithm against random search over trees, at equal numbers of trainings, on scikit-learn's digits.

python tests/benchmarks/glo_search.py [--seeds 5] [--population 40] [--generations 10] [--normalize drive]

All draw from the same symbols with the same weights and train from the same initial weights on the same batches. The
genetic search comes first; the random ones get as many trainings. "random" passes the same screen and trains every
behaviour once; "unscreened" trains every formula with a label and a prediction once, as the paper does.
"search" is the best validation accuracy that a search saw, partly luck; "fresh" is the mean over fresh seeds of the
finalist that then does best, as a search chooses its winner. Cross-entropy trains with the same seeds.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.stats import ttest_rel

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import Loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.genetic import GeneticEngine
from glo_lightning.search.engines.variation import Variation
from glo_lightning.search.exploration.repetition import repetition_key
from glo_lightning.search.exploration.screening import PAPER_STEPS, Screen
from glo_lightning.search.samplers.genetic import NUM_ELITES, REDRAWS
from glo_lightning.search.spaces.trees import ExpressionSpace
from glo_lightning.search.spaces.wrapped import NormalizedSpace
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task

CLASSES, FINALISTS, MAX_DRAWS = 10, 5, 200_000
CROSS_ENTROPY = "y * log(h)"


@dataclass(frozen=True)
class Bench:
    """What both searches share."""

    screen: Screen
    key: Callable[[str], str]
    paper_screen: Screen
    paper_key: Callable[[str], str]
    build: Callable[[str], Loss]
    evaluator: PopulationEvaluator
    fresh_seeds: int

    def refuse(self, expression: str) -> str | None:
        step = self.screen.check(expression).step
        return None if step is None else str(step)

    def random_trees(self, seed: int, depth: int, screened: bool) -> Iterator[str]:
        """Draw trees that pass the screen, or the paper's, each once."""
        screen, key = (self.screen, self.key) if screened else (self.paper_screen, self.paper_key)
        rng, variation = np.random.default_rng(seed), Variation(initial_depth=depth)
        seen = set()
        for _ in range(MAX_DRAWS):
            expression = str(variation.grow(rng))
            if expression in seen:
                continue
            seen.add(expression)
            if screen.check(expression).passed and (own := key(expression)) not in seen:
                seen.add(own)
                yield expression

    def train(self, expressions: list[str], seeds: list[int]) -> list[float]:
        """Return the mean accuracy of each expression."""
        runs = [Run(self.build(expression), seed) for expression in expressions for seed in seeds]
        scores = [evaluation.metric for evaluation in self.evaluator.evaluate(runs)]
        return np.reshape(scores, (len(expressions), len(seeds))).mean(-1).tolist()

    def judge(self, scores: dict[str, float], seed: int) -> tuple[str, float]:
        """Return the finalist that is best with fresh seeds, and its mean accuracy with them."""
        finalists = sorted(scores, key=lambda expression: -scores[expression])[:FINALISTS]
        fresh = self.train(finalists, [1000 * (seed + 1) + k for k in range(self.fresh_seeds)])
        best = int(np.argmax(fresh))
        return finalists[best], fresh[best]


def genetic_search(bench: Bench, seed: int, population: int, generations: int) -> dict[str, float]:
    """Return the accuracy of every tree that trained."""
    elites = min(NUM_ELITES, population // 4)
    engine = GeneticEngine(population, seed, elites, key=bench.key, refuse=bench.refuse, redraws=REDRAWS)
    scores: dict[str, float] = {}
    for _ in range(generations):
        members = [engine.candidate(index) for index in range(population)]
        new = [each.expression for each in members if each.repeats is None and bench.refuse(each.expression) is None]
        scores.update(zip(new, bench.train(new, [seed]), strict=True))
        outcomes = [
            Outcome(member, index, scores.get(member.expression) if member.repeats is None else None)
            for index, member in enumerate(members)
        ]
        engine.tell(outcomes)
    return scores


def random_search(bench: Bench, seed: int, depth: int, trainings: int, screened: bool) -> dict[str, float]:
    """Return the accuracy of so many different trees, or of as many as there are."""
    chosen = list(islice(bench.random_trees(seed, depth, screened), trainings))
    return dict(zip(chosen, bench.train(chosen, [seed]), strict=True))


def make_bench(normalize: str, epochs: int, fresh_seeds: int) -> Bench:
    trees = ExpressionSpace()
    space = NormalizedSpace(trees, CLASSES) if normalize == "drive" else trees
    task = python_task(lambda: Classifier(mlp()), DigitsDataModule(), {"max_epochs": epochs, "accelerator": "cpu"})
    return Bench(
        Screen(CLASSES),
        repetition_key("shape" if normalize == "drive" else "behaviour", CLASSES),
        Screen(CLASSES, PAPER_STEPS),
        repetition_key("formula", CLASSES),
        lambda expression: space.build({"expression": expression}),
        PopulationEvaluator(task, Monitor()),
        fresh_seeds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--population", type=int, default=40)
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--fresh-seeds", type=int, default=5)
    parser.add_argument("--depth", type=int, default=4, help="greatest depth of random search's trees")
    parser.add_argument("--normalize", choices=("drive", "none"), default="drive")
    options = parser.parse_args()
    bench = make_bench(options.normalize, options.epochs, options.fresh_seeds)
    print(f"{options}\n{'seed':>4} {'trees':13} {'trainings':>9} {'seconds':>8} {'search':>7} {'fresh':>7}  winner")
    results: dict[str, list[tuple[float, float]]] = {"genetic": [], "random": [], "unscreened": [], "cross-entropy": []}
    for seed in range(options.seeds):
        trainings = 0
        for name, found in results.items():
            started = time.perf_counter()
            if name == "genetic":
                scores = genetic_search(bench, seed, options.population, options.generations)
                trainings = len(scores)
            elif name == "cross-entropy":
                scores = dict(zip([CROSS_ENTROPY], bench.train([CROSS_ENTROPY], [seed]), strict=True))
            else:
                scores = random_search(bench, seed, options.depth, trainings, screened=name == "random")
            seconds = time.perf_counter() - started
            winner, fresh = bench.judge(scores, seed)
            found.append((max(scores.values()), fresh))
            print(f"{seed:>4} {name:13} {len(scores):>9} {seconds:>8.1f} {found[-1][0]:>7.4f} {fresh:>7.4f}  {winner}")
    for place, column in enumerate(("search", "fresh")):
        values = {name: [each[place] for each in found] for name, found in results.items()}
        means = ", ".join(f"{name} {np.mean(each):.4f}" for name, each in values.items())
        p_values = [
            f"{name} with p = {ttest_rel(values['genetic'], values[name], alternative='greater').pvalue:.3g}"
            for name in ("random", "unscreened")
        ]
        print(f"{column}: {means}; genetic above {' and '.join(p_values)} (paired t-tests)")


if __name__ == "__main__":
    main()
