"""A search that costs nothing to evaluate and in which everything happens."""

import time

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.search.samplers import GenerationalCmaEsSampler, find_slot
from glo_lightning.search.storage.open import open_storage

DIMENSION = 4
POPULATION = 10
SPACE = {f"theta_{k}": FloatDistribution(-1e12, 1e12) for k in range(DIMENSION)}


def make_sampler(
    generations: int | None = None, grace_period: float = 30.0, **settings: object
) -> GenerationalCmaEsSampler:
    arguments = {"population_size": POPULATION, "seed": 7, **settings}
    return GenerationalCmaEsSampler(SPACE, max_generations=generations, grace_period=grace_period, **arguments)


def objective(trial: Trial) -> float:
    """Three in ten violate a constraint, some are stopped early, and many completed ones are equal."""
    theta = np.array([trial.suggest_float(name, -1e12, 1e12) for name in SPACE])
    violation = float(7.0 * theta[0] % 1.0 - 0.7)
    if violation > 0.0:
        trial.set_constraint("invariant", violation)
        raise optuna.TrialPruned
    value = float(((theta + 1.0) ** 2).sum())
    if theta[2] > 1.0:
        for step in range(1 + int(theta[2])):
            trial.report(value + step, step)
        raise optuna.TrialPruned
    return round(value, 1)


def tell(study: optuna.Study, trial: Trial) -> None:
    try:
        study.tell(trial, objective(trial), skip_if_finished=True)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def run(study: optuna.Study, count: int = 1, seconds: float = 0.0) -> None:
    """Work until the search is finished."""
    while trials := study.sampler.claim(study, count):
        for trial in trials:
            time.sleep(seconds)
            tell(study, trial)


def open_study(storage: object, sampler: GenerationalCmaEsSampler, name: str = "cheap") -> optuna.Study:
    return optuna.create_study(storage=storage, sampler=sampler, study_name=name, load_if_exists=True)


def candidates(study: optuna.Study) -> dict[tuple[int, int], tuple[float, ...]]:
    """The theta of every slot that has a verdict; each slot must have had one verdict only."""
    found: dict[tuple[int, int], tuple[float, ...]] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        slot = find_slot(trial)
        if slot is not None:
            assert slot not in found, f"{slot} was evaluated twice"
            found[slot] = theta_of(trial)
    return found


def theta_of(trial: FrozenTrial) -> tuple[float, ...]:
    return tuple(trial.params[name] for name in SPACE)


def work(url: str, generations: int, grace_period: float, seconds: float, count: int) -> None:
    """Be a worker process."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    run(open_study(open_storage(url), make_sampler(generations, grace_period)), count, seconds)


def work_on(study: optuna.Study) -> bool:
    """Be a process that was sent a study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    run(study)
    return study.sampler.state(study).finished
