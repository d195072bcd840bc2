"""Families that are spaces of vectors: one CMA-ES over the parameters of the loss."""

from collections.abc import Sequence

import numpy as np

from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.exploration.budget import TimeBudget
from glo_lightning.search.exploration.context import ExplorationContext, Source
from glo_lightning.search.exploration.explorer import least_favourable
from glo_lightning.search.exploration.stage import explore_study
from glo_lightning.search.exploration.start import Start, starting_point
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.base import VectorSpace
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.theory.descent import FirstBatch


def explore_vectors(context: ExplorationContext) -> list[Source]:
    """Work on the search's study until every generation is complete."""
    vectors = make_space(
        context.settings,
        context.num_classes[0],
        context.num_heads,
        context.class_counts,
        context.targets.mean,
        context.targets.sigma,
    )
    start = starting_point(context.settings, vectors, context.hyperparameters)
    sampler = _make_sampler(context.settings, vectors, context.hyperparameters, context.starts, start)
    space = as_asked(vectors, context.settings, context.num_classes[0])
    study = context.open_study(sampler, facts=start.facts)
    budget = TimeBudget.of(context, study)
    announcer = GenerationAnnouncer.of_search(study, context.settings, context.progress, context.relative_length)
    return [explore_study(context, announcer, sampler, space, budget=budget)]


def _make_sampler(
    settings: SearchSettings,
    space: VectorSpace,
    hyperparameters: HyperparameterSpace,
    starts: Sequence[int | FirstBatch],
    start: Start,
) -> GenerationalCmaEsSampler:
    distributions = {**space.distributions, **hyperparameters.distributions}
    known = space.known if settings.opens_with_known else []
    opening = [*start.opening, *([*point, *hyperparameters.start] for point in known)]

    def is_feasible(theta: np.ndarray) -> bool:
        loss = space.build(dict(zip(distributions, theta.tolist(), strict=True)))
        return bool(getattr(least_favourable(loss, starts, settings.invariant), settings.invariant))

    resample = settings.invariant != "none" and settings.on_violation == "resample"
    return GenerationalCmaEsSampler(
        distributions,
        population_size=settings.candidates_per_generation,
        sigma=settings.step_size,
        scales={**space.scales, **hyperparameters.scales},
        mean=start.point,
        first=opening[: settings.candidates_per_generation],
        seed=settings.seed,
        max_retry=settings.attempts,
        is_feasible=is_feasible if resample else None,
        max_generations=settings.generation_count,
    )
