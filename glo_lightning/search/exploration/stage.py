"""One stage of a search: one study, worked on until every generation is complete."""

from typing import Any, Literal

from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.exploration.budget import TimeBudget
from glo_lightning.search.exploration.context import ExplorationContext, Source
from glo_lightning.search.exploration.explorer import Explorer
from glo_lightning.search.samplers import GenerationalSampler
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.theory.trainability import Invariant


def explore_study(
    context: ExplorationContext,
    announcer: GenerationAnnouncer,
    sampler: GenerationalSampler[Any],
    space: LossSpace,
    explorer: type[Explorer] = Explorer,
    invariant: Literal["none"] | Invariant | None = None,
    budget: TimeBudget | None = None,
) -> Source:
    """Propose, check, train and tell candidates until a study is complete, together with whoever else works on it.

    Args:
        context: settings and tools of this process.
        announcer: of the study's generations.
        sampler: the study's sampler.
        space: turns a trial into a loss.
        explorer: this process's part of the work.
        invariant: which candidates may train; the settings' by default.
        budget: decides how many generations run; by default all that the sampler was asked for.

    Returns:
        The study, and what its candidates mean.
    """
    settings = context.settings
    announcer.begin()
    worker = explorer(
        announcer.study,
        sampler,
        space,
        context.evaluator(),
        context.monitor,
        context.starts,
        invariant or settings.invariant,
        settings.seed,
        batch=context.evaluators.share(announcer.population_size),
        announce=announcer.glance,
        hyperparameters=context.hyperparameters,
    )
    for generations in [sampler.max_generations] if budget is None else budget.stops():
        sampler.max_generations = generations
        worker.run()
    announcer.update()
    return Source(announcer.study, space, context.hyperparameters)
