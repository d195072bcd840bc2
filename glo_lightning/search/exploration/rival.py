"""The search of a rival: cross-entropy, tuned by the same machine with as many trainings as the search used."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glo_lightning.compare.rivals import RIVALS
from glo_lightning.errors import DataError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.exploration.context import ExplorationContext, Source
from glo_lightning.search.exploration.stage import explore_study
from glo_lightning.search.exploration.start import within
from glo_lightning.search.progress import trainings_ahead
from glo_lightning.search.records.candidates import count_trained, read_candidates
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.spaces.hyperparameters import RATE_FACTORS, hyperparameters_of
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.search.storage.decision import decide_once
from glo_lightning.search.storage.study import RIVAL_STAGE
from glo_lightning.training.checks.class_counts import count_classes

OPENING = ((0.1, 0.0), (0.03, 0.4), (10.0, 0.0), (3.0, 0.7))
"""Factors of the learning rate, each with a label smoothing, that draws around what is configured seldom reach."""

UNBALANCED = 1.5
"""How many times as frequent as the rarest class the commonest is where classes are unbalanced."""


@dataclass(frozen=True)
class RivalSource(Source):
    """Candidates that are cross-entropy, tuned.

    Args:
        study: holds the candidates.
        space: turns them into losses.
        hyperparameters: turns them into factors of the learning rate, and what else was searched of the model.
    """

    space: RivalSpace


def explore_rival(context: ExplorationContext, sources: Sequence[Source]) -> RivalSource:
    """Tune cross-entropy in a study beside the search's, as long as the search's share of trainings lasts.

    CMA-ES begins at what is configured. Some of its first candidates are far from there: a learning rate that is wrong
    by orders of magnitude would else decide the verdict in the search's favour.

    Args:
        context: of the search.
        sources: the search's own studies, complete.
    """
    settings, task = context.settings, context.evaluators.tasks[0].task
    space = RivalSpace(settings.outputs, _class_counts(context, sources[0]), context.evaluators.tasks[0].targets.sigma)
    context = replace(
        context, hyperparameters=hyperparameters_of(task, {LEARNING_RATE_FACTOR: RATE_FACTORS, **settings.joint})
    )
    trained = sum(count_trained(read_candidates(source.study)) for source in sources)
    population = settings.rivals_per_generation
    generations = math.ceil(settings.rival_budget * trained / population)
    distributions = {**space.distributions, **context.hyperparameters.distributions}
    start = dict(zip(distributions, [*space.cross_entropy, *context.hyperparameters.start], strict=True))
    opening = [
        within(distributions, {**start, LEARNING_RATE_FACTOR: rate, "smoothing": smoothing})
        for rate, smoothing in OPENING[: population // 2]
    ]
    sampler = GenerationalCmaEsSampler(
        distributions,
        population_size=population,
        sigma=1.0,
        scales={**space.scales, **context.hyperparameters.scales},
        mean=list(start.values()),
        first=opening,
        seed=settings.seed,
        max_retry=settings.attempts,
        max_generations=generations,
    )
    study = context.open_study(sampler, RIVAL_STAGE, {"class_counts": list(space.class_counts)})
    announcer = GenerationAnnouncer(
        study,
        context.monitor,
        population,
        generations,
        f"tuning {RIVALS[settings.outputs]}, the winner's rival: {', '.join(distributions)}",
        context.progress,
        trainings_ahead(settings, context.relative_length, after="rival"),
    )
    explore_study(context, announcer, sampler, space, invariant="none")
    return RivalSource(study, space, context.hyperparameters)


def _class_counts(context: ExplorationContext, main: Source) -> tuple[int, ...]:
    """Return the training samples of each class; nothing where they are balanced, or cannot be counted."""
    if len(context.evaluators.tasks) > 1 or context.settings.outputs != "softmax":
        return ()
    counts = context.class_counts or tuple(json.loads(decide_once(main.study, "class-counts", lambda: _count(context))))
    return counts if counts and max(counts) > UNBALANCED * min(counts) else ()


def _count(context: ExplorationContext) -> str:
    task = context.evaluators.tasks[0]
    try:
        return json.dumps(count_classes(task.task, task.num_classes))
    except DataError:  # labels of another kind, or a class without samples
        return "[]"
