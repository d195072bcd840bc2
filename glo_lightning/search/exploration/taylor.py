"""TaylorGLO: one CMA-ES over the parameters of a polynomial."""

from collections.abc import Sequence

import numpy as np

from glo_lightning.search.exploration.announcer import Chronicle
from glo_lightning.search.exploration.context import Bench, Source
from glo_lightning.search.exploration.explorer import Explorer, least_favourable
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.spaces.polynomial import VectorSpace, as_asked, make_space


def explore_taylor(bench: Bench) -> list[Source]:
    """Work on the search's study until every generation is complete."""
    vectors = make_space(bench.settings, bench.num_classes[0], bench.num_heads)
    sampler = _make_sampler(bench.settings, vectors, bench.hyperparameters, bench.num_classes)
    space = as_asked(vectors, bench.settings, bench.num_classes[0])
    study = bench.open_study(sampler)
    chronicle = Chronicle.of_search(study, bench.settings, bench.progress)
    chronicle.begin()
    Explorer(
        study,
        sampler,
        space,
        bench.evaluator(),
        bench.monitor,
        bench.num_classes,
        bench.settings.invariant,
        bench.settings.seed,
        batch=bench.evaluators.batch,
        announce=chronicle.glance,
        hyperparameters=bench.hyperparameters,
    ).run()
    chronicle.update()
    return [Source(study, space, bench.hyperparameters)]


def _make_sampler(
    settings: SearchSettings, space: VectorSpace, hyperparameters: HyperparameterSpace, num_classes: Sequence[int]
) -> GenerationalCmaEsSampler:
    distributions = {**space.distributions, **hyperparameters.distributions}
    mean = space.cross_entropy if settings.start == "cross_entropy" else [0.0] * len(space.distributions)

    def is_feasible(theta: np.ndarray) -> bool:
        loss = space.build(dict(zip(distributions, theta.tolist(), strict=True)))
        return bool(getattr(least_favourable(loss, num_classes, settings.invariant), settings.invariant))

    resample = settings.invariant != "none" and settings.on_violation == "resample"
    return GenerationalCmaEsSampler(
        distributions,
        population_size=settings.candidates_per_generation,
        sigma=settings.sigma,
        scales=hyperparameters.scales,
        mean=[*mean, *hyperparameters.start] if settings.start == "cross_entropy" or hyperparameters.start else None,
        seed=settings.seed,
        attempts=settings.attempts,
        is_feasible=is_feasible if resample else None,
        max_generations=settings.generations,
    )
