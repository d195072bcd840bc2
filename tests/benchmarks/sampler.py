"""The generational sampler beside Optuna's CmaEsSampler: cost per trial, waste, and evaluations to a target.

Usage: OMP_NUM_THREADS=1 nice python tests/benchmarks/sampler.py [cost | workers | digits]
"""

import argparse
import copy
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import torch
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import Trial

from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import TaylorLoss
from glo_lightning.models import mlp
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.storage.open import open_storage

DIMENSION = 8
POPULATION = 24  # a multiple of the workers: all of them end a generation together
LIMIT = 5.0
SPACE = {f"theta_{k}": FloatDistribution(-LIMIT, LIMIT) for k in range(DIMENSION)}


def ours(seed: int) -> BaseSampler:
    return GenerationalCmaEsSampler(SPACE, population_size=POPULATION, sigma=LIMIT / 3.0, seed=seed)


def stock(seed: int) -> BaseSampler:  # its default step size is a sixth of the range, as ours here
    return CmaEsSampler(popsize=POPULATION, seed=seed)


SAMPLERS = {"ours": ours, "optuna": stock}


def sphere(x: np.ndarray) -> float:
    return float(((x - 1.0) ** 2).sum())


def ellipsoid(x: np.ndarray) -> float:
    return float((1e4 ** (np.arange(x.size) / (x.size - 1)) * (x - 1.0) ** 2).sum())


def rosenbrock(x: np.ndarray) -> float:
    return float((100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum())


def theta_of(trial: Trial) -> np.ndarray:
    return np.array([trial.suggest_float(name, d.low, d.high) for name, d in SPACE.items()])


# Cost


def cost(sizes: tuple[int, ...] = (100, 1000, 4000), repetitions: int = 40) -> None:
    """Print the median cost of a trial, from being asked for to having all its parameters, in growing studies."""
    print(
        f"ms per ask with all parameters, D = {DIMENSION}, population {POPULATION}: median wall time (processor time)"
    )
    columns = ("ours, claim", "ours, ask", "optuna CMA-ES", "random")
    print(f"{'storage':10s} {'trials':>6s} " + " ".join(f"{column:>18s}" for column in columns))
    for kind in ("memory", "study.db", "study.log"):
        for size in sizes:
            cells = []
            for make_sampler in (ours, stock, random):
                with tempfile.TemporaryDirectory() as folder:
                    study = grown_study(make_sampler, size, folder, kind)
                    for ask in (claim, optuna.Study.ask) if make_sampler is ours else (optuna.Study.ask,):
                        measure(study, ask, 3)  # reads the study for the first time
                        wall, cpu = measure(study, ask, repetitions)
                        cells.append(f"{wall:9.2f} ({cpu:6.2f})")
            print(f"{kind:10s} {size:6d} " + " ".join(f"{cell:>18s}" for cell in cells), flush=True)


def random(seed: int) -> BaseSampler:  # what the storage costs whatever the sampler
    return RandomSampler(seed)


def claim(study: optuna.Study) -> Trial:
    (trial,) = study.sampler.claim(study)
    return trial


def grown_study(make_sampler: Callable[[int], BaseSampler], size: int, folder: str, kind: str) -> optuna.Study:
    """A study of that many trials; grown in memory and copied, because growing it on disk takes so long."""
    memory = InMemoryStorage()
    study = optuna.create_study(storage=memory, study_name="a", sampler=make_sampler(0))
    study.optimize(lambda trial: sphere(theta_of(trial)), n_trials=size)
    storage: BaseStorage = memory
    if kind != "memory":
        storage = open_storage(Path(folder) / kind)
        optuna.copy_study(from_study_name="a", from_storage=memory, to_storage=storage)
    return optuna.load_study(study_name="a", storage=storage, sampler=make_sampler(0))


def measure(study: optuna.Study, ask: Callable[[optuna.Study], Trial], repetitions: int) -> tuple[float, float]:
    times = []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        trial = ask(study)
        x = theta_of(trial)
        times.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
        study.tell(trial, sphere(x))
    return statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times)


# Workers


def workers() -> None:
    """Print what parallel evaluation costs on test functions."""
    race_all({"sphere": (sphere, 1e-2), "ellipsoid": (ellipsoid, 100.0), "rosenbrock": (rosenbrock, 30.0)}, 800, 5)


def digits() -> None:
    """Print what parallel evaluation costs a search for a Taylor loss: the validation error after three epochs."""
    race_all({"digits": (make_digits_error(), 0.06)}, 384, 3, seconds=0.0)


def make_digits_error() -> Callable[[np.ndarray], float]:
    """Return the error of a perceptron as a function of theta; it draws nothing, so that threads may share it."""
    data = DigitsDataModule()
    data.setup("fit")
    (inputs, target), (val_inputs, val_target) = data.train_tensors, data.val_tensors
    batches = [rows for epoch in range(3) for rows in data.train_order(epoch, 0).split(data.batch_size)]
    torch.manual_seed(0)
    initial = mlp()

    def error(theta: np.ndarray) -> float:
        network, loss = copy.deepcopy(initial), TaylorLoss(theta.tolist())
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        for rows in batches:
            optimizer.zero_grad()
            loss(network(inputs[rows]), target[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            return float((network(val_inputs).argmax(-1) != val_target).float().mean())

    return error


def race_all(
    functions: dict[str, tuple[Callable[[np.ndarray], float], float]],
    num_trials: int,
    seeds: int,
    seconds: float = 0.02,
) -> None:
    """Print the trials a search never used, and its evaluations to a target."""
    columns = ("to target", "unused", "busy")[: 3 if seconds else 2]
    waiting = f" of {1e3 * seconds:g} ms (log-normal, 0.3)" if seconds else ""
    print(f"{num_trials} trials{waiting}, medians of {seeds} seeds")
    titles = [f"{f'{name} {column}':>15s}" for column in columns for name in SAMPLERS]
    print(f"{'function':10s} {'workers':>7s} {' '.join(titles)}")
    for title, (function, target) in functions.items():
        for count in (1, 4, 8):
            runs = {
                name: [
                    race(make_sampler(seed), function, target, count, num_trials, seconds, seed)
                    for seed in range(seeds)
                ]
                for name, make_sampler in SAMPLERS.items()
            }
            cells = [
                f"{statistics.median(run[column] for run in runs[name]):15.{digits}f}"
                for column, digits in ((0, 0), (1, 0), (2, 2))[: len(columns)]
                for name in SAMPLERS
            ]
            print(f"{title:10s} {count:7d} " + " ".join(cells), flush=True)


def race(
    sampler: BaseSampler, function: Callable[[np.ndarray], float], target: float, count: int, num_trials: int,
    seconds: float, seed: int,
) -> tuple[float, float, float]:  # fmt: skip
    """Return the evaluations until the target was reached, the trials never used, and the workers' busy fraction."""
    durations = seconds * np.random.default_rng(seed).lognormal(0.0, 0.3, num_trials)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: Trial) -> float:
        x = theta_of(trial)
        if count > 1:  # alone, it makes no difference how long it takes
            time.sleep(durations[trial.number])
        return function(x)

    begin = time.perf_counter()
    study.optimize(objective, n_trials=num_trials, n_jobs=count)
    elapsed = time.perf_counter() - begin
    finished = sorted(study.trials, key=lambda trial: trial.datetime_complete)
    reached = next((n for n, trial in enumerate(finished, 1) if trial.value <= target), num_trials + 1)
    return reached, unused(study), durations.sum() / (count * elapsed) if count > 1 else 1.0


def unused(study: optuna.Study) -> int:
    """Count the trials that the search never learnt from, those of the generation at work aside."""
    if isinstance(study.sampler, GenerationalCmaEsSampler):
        generations = Counter(trial.system_attrs["glo:slot"][0] for trial in study.trials)
    else:
        generations = Counter(trial.system_attrs.get("cma:generation", -1) for trial in study.trials)
    independent = generations.pop(-1, 0)
    return independent + sum(max(0, size - POPULATION) for size in generations.values())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parts = {"cost": cost, "workers": workers, "digits": digits}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(unknown)}")
    for part in options.parts or parts:
        parts[part]()
        print()
