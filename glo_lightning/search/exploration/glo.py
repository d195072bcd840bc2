"""GLO: genetic programming over expressions, then CMA-ES over the coefficients of the best."""

from collections.abc import Sequence
from dataclasses import replace

import optuna

from glo_lightning.errors import StudyError
from glo_lightning.options import option
from glo_lightning.search.engines.genetic import KNOWN_LOSSES
from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.exploration.budget import TimeBudget
from glo_lightning.search.exploration.context import ExplorationContext, Source
from glo_lightning.search.exploration.screening import ALL_STEPS, PAPER_STEPS, Screen
from glo_lightning.search.exploration.stage import explore_study
from glo_lightning.search.exploration.tree_explorer import TreeExplorer
from glo_lightning.search.progress import trainings_ahead, trainings_of_a_tuning
from glo_lightning.search.records.candidates import ranked, read_candidates
from glo_lightning.search.records.plan import in_force
from glo_lightning.search.samplers import GenerationalCmaEsSampler, GeneticSampler
from glo_lightning.search.samplers.screens import Sameness
from glo_lightning.search.spaces.asked import as_asked
from glo_lightning.search.spaces.trees import (
    COEFFICIENT_POPULATION,
    COEFFICIENT_SIGMA,
    CoefficientSpace,
    ExpressionSpace,
)
from glo_lightning.search.storage.study import LATER_STAGE, later_stages, tuned_expression

MIN_COEFFICIENTS = 2
"""Coefficients below which there is nothing to tune: one alone is the learning rate."""


def explore_trees(context: ExplorationContext) -> list[Source]:
    """Work on trees and then on coefficients, as far as the settings ask for them.

    Coefficients that an earlier run tuned, of trees that are no longer among the best, stay candidates.
    """
    trees = _explore_expressions(context)
    if context.settings.stage == "trees":
        return [trees]
    context = replace(context, settings=in_force(context.settings, trees.study))
    expressions = _best_expressions(context, trees.study)
    tuned = [_tune(context, each, len(expressions) - place) for place, each in enumerate(expressions, 1)]
    names = {source.study.study_name for source in tuned}
    earlier = [study for study in later_stages(trees.study) if study.study_name not in names]
    spaces = [CoefficientSpace(tuned_expression(study.study_name)) for study in earlier]
    asked = [as_asked(space, context.settings, context.num_classes[0]) for space in spaces]
    return [trees, *tuned, *map(Source, earlier, asked)]


def _explore_expressions(context: ExplorationContext) -> Source:
    settings, paper = context.settings, context.settings.screen == "paper"
    sampler = GeneticSampler(
        Screen(context.num_classes[0], PAPER_STEPS if paper else ALL_STEPS),
        population_size=settings.candidates_per_generation,
        known=[KNOWN_LOSSES.get(loss, loss) for loss in settings.known],
        sameness=_sameness(context),
        redraw=not paper,
        seed=settings.seed,
        max_retry=settings.attempts,
        max_generations=settings.generation_count,
    )
    study = context.open_study(sampler)
    budget = TimeBudget.of(context, study)
    if settings.stage == "coefficients":
        _require_finished(study, sampler, settings.generation_count)
    announcer = GenerationAnnouncer.of_search(study, settings, context.progress, context.relative_length)
    space = as_asked(ExpressionSpace(), settings, context.num_classes[0])
    # The screen stands in for the invariant.
    return explore_study(context, announcer, sampler, space, TreeExplorer, "none", budget)


def _sameness(context: ExplorationContext) -> Sameness:
    if context.settings.screen == "paper":
        return "formula"
    # Where every loss is brought to one scale, those that differ in scale alone train alike.
    return "shape" if context.settings.normalize == "drive" else "behaviour"


def _require_finished(study: optuna.Study, sampler: GeneticSampler, generations: int) -> None:
    done = sampler.generation(study)
    if done < generations:
        raise StudyError(
            f"{generations} finished generations of trees to tune",
            f"{done} in study {study.study_name!r}",
            f"Run {option('stage', 'trees')} first, or both stages at once.",
        )


def _best_expressions(context: ExplorationContext, study: optuna.Study) -> Sequence[str]:
    """Return the best trees that have coefficients worth tuning, best first."""
    trained = ranked(read_candidates(study), context.monitor)
    expressions = [str(candidate.parameters["expression"]) for candidate in trained]
    tunable = [text for text in expressions if len(CoefficientSpace(text).start) >= MIN_COEFFICIENTS]
    return tunable[: context.settings.tuned_trees]


def _tune(context: ExplorationContext, expression: str, more: int) -> Source:
    """Search the coefficients of one expression in a study of its own, beside the search's; more are to come."""
    coefficients = CoefficientSpace(expression)
    space = as_asked(coefficients, context.settings, context.num_classes[0])
    sampler = GenerationalCmaEsSampler(
        coefficients.distributions,
        population_size=COEFFICIENT_POPULATION,
        sigma=COEFFICIENT_SIGMA,
        mean=coefficients.start,
        seed=context.settings.seed,
        max_retry=context.settings.attempts,
        max_generations=context.settings.coefficient_generations,
    )
    announcer = GenerationAnnouncer(
        context.open_study(sampler, LATER_STAGE + expression),
        context.monitor,
        COEFFICIENT_POPULATION,
        context.settings.coefficient_generations,
        f"tuning {len(coefficients.start)} coefficients of {expression}",
        context.progress,
        more * trainings_of_a_tuning(context.settings)
        + trainings_ahead(context.settings, context.relative_length, after="coefficients"),
    )
    return explore_study(context, announcer, sampler, space)
