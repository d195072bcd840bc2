"""TaylorGLO: one CMA-ES over the parameters of a polynomial."""

import numpy as np

from glo_lightning.search.chronicle import Chronicle
from glo_lightning.search.explorer import Explorer
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.space import VectorSpace, make_space, scaled_as_asked
from glo_lightning.search.stages.bench import Bench, Source
from glo_lightning.theory import trainability


def explore_taylor(bench: Bench) -> list[Source]:
    """Work on the search's study until every generation is complete."""
    vectors = make_space(bench.settings, bench.num_classes)
    sampler = _make_sampler(bench.settings, vectors, bench.num_classes)
    space = scaled_as_asked(vectors, bench.settings, bench.num_classes)
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
        announce=chronicle.update,
    ).run()
    chronicle.update()
    return [Source(study, space)]


def _make_sampler(settings: SearchSettings, space: VectorSpace, num_classes: int) -> GenerationalCmaEsSampler:
    names = list(space.distributions)

    def is_feasible(theta: np.ndarray) -> bool:
        loss = space.build(dict(zip(names, theta.tolist(), strict=True)))
        return bool(getattr(trainability(loss, num_classes), settings.invariant))

    resample = settings.invariant != "none" and settings.on_violation == "resample"
    return GenerationalCmaEsSampler(
        space.distributions,
        population_size=settings.candidates_per_generation,
        sigma=settings.sigma,
        mean=space.cross_entropy if settings.start == "cross_entropy" else None,
        seed=settings.seed,
        attempts=settings.attempts,
        is_feasible=is_feasible if resample else None,
        max_generations=settings.generations,
    )
