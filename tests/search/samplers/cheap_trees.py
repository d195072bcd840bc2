"""A search over expressions that costs nothing to evaluate; also a worker process of it."""

import sys
import time

import optuna
from optuna.trial import Trial, TrialState

from glo_lightning.losses.expression import parse
from glo_lightning.search.engines.genetic import Offspring
from glo_lightning.search.exploration.screening import Screen
from glo_lightning.search.samplers import find_slot
from glo_lightning.search.samplers.genetic import GeneticSampler
from glo_lightning.search.storage.open import open_storage

POPULATION = 10
STEPS = ("leaves", "defined", "exact", "unseen")


def make_sampler(generations: int | None = None, grace_period: float = 30.0, **settings: object) -> GeneticSampler:
    arguments = {"population_size": POPULATION, "num_elites": 2, "seed": 7, "known": ["y * log(h)"], **settings}
    screen = Screen(num_classes=10, steps=STEPS)
    return GeneticSampler(screen, max_generations=generations, grace_period=grace_period, **arguments)


def score(expression: str) -> float:
    """Prefers logarithms, and has ties."""
    tree = parse(expression)
    return sum(node.symbol == "log" for _, node in tree.walk()) + 1.0 / tree.size


def tell(study: optuna.Study, trial: Trial) -> None:
    sampler = study.sampler
    if sampler.screening(trial).passed:
        study.tell(trial, score(sampler.offspring(trial).expression), skip_if_finished=True)
    else:
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def run(study: optuna.Study, count: int = 1, seconds: float = 0.0) -> None:
    """Work until the search is finished."""
    while trials := study.sampler.claim(study, count):
        for trial in trials:
            time.sleep(seconds)
            tell(study, trial)


def open_study(storage: object, sampler: GeneticSampler, name: str = "trees") -> optuna.Study:
    return optuna.create_study(
        storage=storage, sampler=sampler, study_name=name, direction="maximize", load_if_exists=True
    )


def candidates(study: optuna.Study) -> dict[tuple[int, int], Offspring]:
    """The candidate of every slot that has a verdict; each slot must have had one verdict only."""
    found: dict[tuple[int, int], Offspring] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        slot = find_slot(trial)
        assert slot is not None
        assert slot not in found, f"{slot} was evaluated twice"
        found[slot] = study.sampler.offspring(trial)
    return found


if __name__ == "__main__":
    url, generations, grace_period, seconds, count = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run(open_study(open_storage(url), make_sampler(int(generations), float(grace_period))), int(count), float(seconds))
