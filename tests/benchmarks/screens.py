"""What screening saves, and what it costs: trainings avoided by each step, and how many of them would have trained.

python tests/benchmarks/screens.py [--population 40] [--generations 10] [--sample 100]

A genetic search on scikit-learn's digits draws trees. The first table counts the different ones by the first rule that
stops them: the paper's rules first (a label and a prediction, a new formula), which leave the trainings of the paper's
search, and then what theory avoids of those. The second table trains a sample of what theory stopped, at every
learning rate, beside as many trees that passed. "Trains" means an accuracy above chance by 0.222 of the rest (0.3).
"""

import argparse
from collections import Counter

import numpy as np

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import LossError
from glo_lightning.losses import TreeLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.genetic import GeneticEngine
from glo_lightning.search.exploration.repetition import repetition_key
from glo_lightning.search.exploration.screening import Screen, Step
from glo_lightning.search.samplers.genetic import NUM_ELITES, REDRAWS
from glo_lightning.theory import default_kappa, trainability
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task

CLASSES = 10
TRAINS = 0.3
THEORY = (Step.DEFINED, Step.GRADIENT, Step.EXACT, Step.STABLE)
WORDS = {
    Step.LEAVES: "lack label or prediction (paper's rule)",
    "formula": "repeat a formula (paper's rule)",
    Step.DEFINED: "undefined somewhere",
    Step.GRADIENT: "ignore the label",
    Step.EXACT: "start uphill",
    Step.STABLE: "would collapse",
    Step.UNSEEN: "behave as an earlier one",
    None: "trained",
}


def make_evaluator(learning_rate: float, epochs: int) -> PopulationEvaluator:
    trainer = {"max_epochs": epochs, "accelerator": "cpu"}
    task = python_task(lambda: Classifier(mlp(), learning_rate=learning_rate), DigitsDataModule(), trainer)
    return PopulationEvaluator(task, Monitor())


def accuracies(expressions: list[str], evaluator: PopulationEvaluator, seed: int) -> dict[str, float]:
    """Train every expression; one that is defined nowhere has accuracy 0."""
    runs = {}
    for expression in expressions:
        try:
            runs[expression] = Run(TreeLoss(expression), seed)
        except LossError:
            continue
    scores = [evaluation.metric for evaluation in evaluator.evaluate(list(runs.values()))]
    return {**dict.fromkeys(expressions, 0.0), **dict(zip(runs, scores, strict=True))}


def draw_trees(options: argparse.Namespace, evaluator: PopulationEvaluator) -> list[str]:
    """Return the different expressions that a genetic search draws, in order."""
    screen = Screen(CLASSES)
    drawn: dict[str, str | None] = {}

    def refuse(expression: str) -> str | None:
        drawn[expression] = screen.check(expression).step
        return drawn[expression]

    engine = GeneticEngine(
        options.population,
        options.seed,
        min(NUM_ELITES, options.population // 4),
        key=repetition_key("behaviour", CLASSES),
        refuse=refuse,
        redraws=REDRAWS,
    )
    for _ in range(options.generations):
        members = [engine.candidate(index) for index in range(options.population)]
        new = [each.expression for each in members if each.repeats is None and drawn[each.expression] is None]
        scores = accuracies(new, evaluator, options.seed)
        engine.tell([Outcome(each, index, scores.get(each.expression)) for index, each in enumerate(members)])
    return list(drawn)


def sort_trees(expressions: list[str]) -> dict[str | None, list[str]]:
    """Sort trees by the first rule that stops them, the paper's before theory's."""
    screen, formula, behaviour = (
        Screen(CLASSES),
        repetition_key("formula", CLASSES),
        repetition_key("behaviour", CLASSES),
    )
    stopped: dict[str | None, list[str]] = {rule: [] for rule in WORDS}
    formulas, behaviours = set(), set()
    for expression in expressions:
        rule: str | None = screen.check(expression).step
        if rule != Step.LEAVES:
            if formula(expression) in formulas:
                rule = "formula"
            elif rule is None and behaviour(expression) in behaviours:
                rule = Step.UNSEEN
            formulas.add(formula(expression))
        if rule is None:
            behaviours.add(behaviour(expression))
        stopped[rule].append(expression)
    return stopped


def print_savings(stopped: dict[str | None, list[str]]) -> None:
    counts = Counter({rule: len(expressions) for rule, expressions in stopped.items()})
    papers = counts.total() - counts[Step.LEAVES] - counts["formula"]
    print(f"{counts.total()} different trees; the paper's rules would train {papers}")
    for rule, words in WORDS.items():
        share = "" if rule in (Step.LEAVES, "formula") else f"{counts[rule] / papers:>7.1%} of the paper's trainings"
        print(f"{words:<42}{counts[rule]:>7} {share}")


def collapse_ratio(expression: str) -> float:
    return trainability(TreeLoss(expression), CLASSES).ratio


def print_costs(stopped: dict[str | None, list[str]], options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    rejected = [expression for step in THEORY for expression in stopped[step]]
    # What a stricter threshold would stop, too.
    strict = [each for each in stopped[None] if collapse_ratio(each) <= -default_kappa(CLASSES)]
    passed = [each for each in stopped[None] if each not in strict]
    groups = {
        "stopped": rng.permutation(rejected)[: options.sample].tolist(),
        f"would collapse, {-default_kappa(CLASSES):g}": strict,
        "passed": rng.permutation(passed)[: options.sample].tolist(),
    }
    sample = [expression for group in groups.values() for expression in group]
    best = dict.fromkeys(sample, 0.0)
    for learning_rate in options.learning_rates:
        found = accuracies(sample, make_evaluator(learning_rate, options.epochs), options.seed + 1)
        best = {expression: max(best[expression], accuracy) for expression, accuracy in found.items()}
    print(f"\nbest of learning rates {options.learning_rates}, {options.epochs} epochs")
    groups |= {f"  {WORDS[step]}": [each for each in groups["stopped"] if each in stopped[step]] for step in THEORY}
    for name, group in groups.items():
        trained = [expression for expression in group if best[expression] >= TRAINS]
        examples = "; ".join(f"{each} ({best[each]:.2f})" for each in trained[:5]) if name != "passed" else ""
        print(f"{name:<24}{len(trained):>4} of {len(group):>4} train  {examples}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", type=int, default=40)
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[0.1, 0.01])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    stopped = sort_trees(draw_trees(options, make_evaluator(options.learning_rates[0], options.epochs)))
    print_savings(stopped)
    print_costs(stopped, options)


if __name__ == "__main__":
    main()
