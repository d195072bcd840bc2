"""Outliers in a tenth of the targets: losses that a search finds, against a Huber loss tuned with as many trainings.

A search of residual losses and one of Huber's delta, both with the learning rate, by the same CMA-ES, the same number
of trainings and the same choice among the best five, all by the absolute error on validation data that have the same
outliers. The squared error's learning rate is tuned alike. Then all train with ten fresh seeds, and are measured on
clean test data:

    python tests/benchmarks/regression.py [--family taylor]

Taylor polynomials, with the learning rate as configured, are searched alone.
"""

import argparse
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from typing import Literal

import optuna
import torch
from optuna.distributions import FloatDistribution
from sklearn.datasets import load_breast_cancer, make_friedman1

from glo_lightning import GenerationalCmaEsSampler, LossSearch
from glo_lightning.data import CorruptedDataModule, DiabetesDataModule
from glo_lightning.data.fractions import three_parts
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import HuberLoss, Loss, ResidualLoss
from glo_lightning.models import Regressor, mlp
from glo_lightning.training.checks.targets import target_scale
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.seeds import fresh_seeds
from glo_lightning.training.task import Task, python_task

POPULATION, GENERATIONS, FINALISTS, FINALIST_SEEDS = 8, 12, 5, 3
MONITOR = Monitor("val_mae", "min")


class Friedman(TensorDataModule):
    """Friedman's first function of five of ten numbers, with noise; targets in standard deviations."""

    input_shape = (10,)

    def load(self) -> Splits:
        """Draw 400 examples for each part."""
        inputs, targets = make_friedman1(1200, noise=1.0, random_state=0)
        x, y = torch.from_numpy(inputs).float() * 2.0 - 1.0, torch.from_numpy(targets).float().unsqueeze(1)
        y = (y - y[:400].mean()) / y[:400].std()
        return Splits(*((x[start : start + 400], y[start : start + 400]) for start in (0, 400, 800)))


class Nuclei(TensorDataModule):
    """The area of a tumour's largest nuclei, by the means of ten measurements of all its nuclei; both standardised."""

    input_shape = (10,)

    def load(self) -> Splits:
        """Split the 569 tumours of scikit-learn's breast cancer data at random."""
        tumours = load_breast_cancer()
        names = [str(name) for name in tumours.feature_names]
        numbers = torch.from_numpy(tumours.data)
        x, y = numbers[:, :10], numbers[:, names.index("worst area")].unsqueeze(1)
        train, val, test = three_parts(len(numbers), 0.2, 0.2, 0, "at least one tumour")
        x, y = (((each - each[train].mean(0)) / each[train].std(0)).float() for each in (x, y))
        return Splits(*((x[part], y[part]) for part in (train, val, test)))


DATA: dict[str, Callable[[], TensorDataModule]] = {
    "diabetes": lambda: DiabetesDataModule(batch_size=32),
    "friedman": lambda: Friedman(batch_size=32),
    "nuclei": lambda: Nuclei(batch_size=32),
}


def parts_of(data: str, epochs: int) -> tuple[Callable[[], Regressor], CorruptedDataModule, dict[str, object]]:
    """Return what a search takes: a perceptron, data with outliers, and the Trainer."""
    datamodule = CorruptedDataModule(DATA[data](), outliers=0.1)
    trainer: dict[str, object] = {"accelerator": "cpu", "max_epochs": epochs}
    return lambda: Regressor(mlp(1, 10, (32,)), learning_rate=0.01), datamodule, trainer


def search(data: str, epochs: int, seed: int, family: Literal["residual", "taylor"]) -> Run:
    """Return what a search finds: a loss and, of residual losses, a factor of the learning rate."""
    with tempfile.TemporaryDirectory() as folder:
        result = LossSearch(
            family=family, outputs="real", monitor=MONITOR.name, mode="min", generations=GENERATIONS,
            population_size=POPULATION, finalists=FINALISTS, finalist_seeds=FINALIST_SEEDS, comparison_seeds=0,
            seed=seed, output_dir=folder, verbosity="quiet", evaluator="population",
        ).run(*parts_of(data, epochs))  # fmt: skip
    return Run(result.discovered_loss, 0, hyperparameters=result.discovered_hyperparameters)


def tune(task: Task, seed: int, build: Callable[[dict[str, float]], Loss], names: Sequence[str]) -> Run:
    """Tune logarithms of a loss's numbers and of the learning rate, as the search does."""
    space = {name: FloatDistribution(-6.0, 6.0) for name in (*names, "log_rate")}
    sampler = GenerationalCmaEsSampler(
        space, population_size=POPULATION, sigma=0.6, mean=[0.0] * len(space), seed=seed, max_generations=GENERATIONS
    )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    evaluator = PopulationEvaluator(task, MONITOR)

    def run(parameters: dict[str, float], seed: int) -> Run:
        rate = math.exp(parameters["log_rate"])
        return Run(build(parameters), seed, hyperparameters={LEARNING_RATE_FACTOR: rate})

    for _ in range(GENERATIONS):
        trials = [study.ask() for _ in range(POPULATION)]
        drawn = [{name: trial.suggest_float(name, -6.0, 6.0) for name in space} for trial in trials]
        evaluations = evaluator.evaluate([run(parameters, seed) for parameters in drawn])
        for trial, evaluation in zip(trials, evaluations, strict=True):
            study.tell(trial, evaluation.metric)
    best = sorted(study.trials, key=lambda trial: trial.value)[:FINALISTS]
    seeds = fresh_seeds(seed, "finalists", FINALIST_SEEDS)
    scores = evaluator.evaluate([run(trial.params, each) for trial in best for each in seeds])
    means = [
        statistics.mean(each.metric for each in scores[k * FINALIST_SEEDS : (k + 1) * FINALIST_SEEDS])
        for k in range(len(best))
    ]
    return run(best[means.index(min(means))].params, 0)


def measure(task: Task, run: Run, seeds: Sequence[int]) -> list[float]:
    """Return the absolute error on clean test data, for each seed."""
    evaluator = PopulationEvaluator(task, MONITOR, split="test")
    runs = [Run(run.loss, seed, hyperparameters=run.hyperparameters) for seed in seeds]
    return [evaluation.metric for evaluation in evaluator.evaluate(runs)]


def compare(data: str, epochs: int, searches: int, seeds: Sequence[int], family: Literal["residual", "taylor"]) -> None:
    """Print the errors of every loss on one data set."""
    task = python_task(*parts_of(data, epochs))
    sigma = target_scale(task).sigma
    ways: dict[str, Callable[[int], Run]] = {
        "squared error, as configured": lambda seed: Run(ResidualLoss(sigma=sigma), 0),
        "squared error, rate tuned": lambda seed: tune(task, seed, lambda _: ResidualLoss(sigma=sigma), ()),
        "Huber, delta and rate tuned": lambda seed: tune(
            task, seed, lambda own: HuberLoss(math.exp(own["log_delta"]), sigma), ("log_delta",)
        ),
        "found": lambda seed: search(data, epochs, seed, family),
    }
    if family == "taylor":
        ways = {"found": ways["found"]}
    print(f"{data}: mean absolute error on clean test data, in standard deviations of the targets")
    for name, make in ways.items():
        found = [make(seed) for seed in range(1 if "configured" in name else searches)]
        errors = [measure(task, run, seeds) for run in found]
        every = [each for own in errors for each in own]
        means = ", ".join(f"{statistics.mean(own):.4f}" for own in errors)
        print(f"  {name:<30} {statistics.mean(every):.4f} ± {statistics.stdev(every):.4f}  by search: {means}")
        for run in found:
            rate = run.hyperparameters.get(LEARNING_RATE_FACTOR, 1.0)
            print(f"    rate × {rate:.3g}, {run.loss.formula()}", flush=True)


def main() -> None:
    """Print the mean absolute error of each loss, and which numbers were found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--searches", type=int, default=3, help="searches, and tunings, of each kind")
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each result")
    parser.add_argument("--epochs", type=int, default=20, help="of every training")
    parser.add_argument("--family", choices=("residual", "taylor"), default="residual")
    options = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for data in options.data:
        compare(data, options.epochs, options.searches, fresh_seeds(0, "test", options.seeds), options.family)


if __name__ == "__main__":
    main()
