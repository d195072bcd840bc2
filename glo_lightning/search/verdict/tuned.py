"""Rivals that have to be found first: cross-entropy tuned, and the best loss of the literature."""

from collections.abc import Mapping, Sequence

import numpy as np

from glo_lightning.compare.comparison import Origin
from glo_lightning.compare.rivals import KNOWN, TUNED
from glo_lightning.losses import Loss, Outputs, for_outputs, known_losses
from glo_lightning.search.exploration.rival import RivalSource
from glo_lightning.search.records.candidates import count_trained, ranked, read_candidates
from glo_lightning.search.verdict.rivals import Rival
from glo_lightning.search.verdict.trainings import VerdictTrainings
from glo_lightning.training.run import Run


def find_rivals(source: RivalSource, trainings: VerdictTrainings) -> list[Rival]:
    """Return the best of those that tuned cross-entropy, and the best known loss, each chosen with fresh seeds.

    Args:
        source: the finished study that tuned cross-entropy.
        trainings: of the verdict.
    """
    return [*_tuned(source, trainings), _best_known(source, trainings)]


def _tuned(source: RivalSource, trainings: VerdictTrainings) -> list[Rival]:
    """Return cross-entropy as it does best; nothing if no candidate trained."""
    settings = trainings.settings
    candidates = read_candidates(source.study)
    finalists = ranked(candidates, trainings.evaluators.monitor)[: settings.finalists]
    if not finalists:
        return []
    runs = [source.run(candidate, settings.seed) for candidate in finalists]
    place = _best(runs, trainings)
    cost = count_trained(candidates) + len(runs) * settings.finalist_seeds
    origin = Origin(cost, source.space.describe(finalists[place].parameters))
    return [Rival(TUNED, runs[place].loss, runs[place].hyperparameters, origin)]


def _best_known(source: RivalSource, trainings: VerdictTrainings) -> Rival:
    """Return the best loss of the literature: a training each as candidates have it, and fresh seeds for the best."""
    settings, monitor = trainings.settings, trainings.evaluators.monitor
    num_classes = list(dict.fromkeys(task.num_classes for task in trainings.evaluators.tasks))
    known = known_rivals(num_classes, settings.outputs, source.space.class_counts)
    names, runs = list(known), [Run(loss, settings.seed) for loss in known.values()]
    scores = [evaluation.metric for evaluation in trainings.score(runs, "known")]
    finalists = sorted(range(len(runs)), key=lambda place: monitor.rank_key(scores[place]))[: settings.finalists]
    place = finalists[_best([runs[finalist] for finalist in finalists], trainings)]
    cost = len(runs) + len(finalists) * settings.finalist_seeds
    return Rival(KNOWN + names[place], runs[place].loss, origin=Origin(cost))


def _best(runs: Sequence[Run], trainings: VerdictTrainings) -> int:
    """Return the place of the run that does best with fresh seeds, the first of several."""
    scores = trainings.score_anew(runs, "rivals")
    means = [float(np.mean([evaluation.metric for evaluation in own])) for own in scores]
    return min(range(len(runs)), key=lambda place: trainings.evaluators.monitor.rank_key(means[place]))


def known_rivals(num_classes: Sequence[int], outputs: Outputs, class_counts: Sequence[int] = ()) -> Mapping[str, Loss]:
    """Return the losses of the literature that suit the outputs, by name; cross-entropy is no rival of its own.

    Args:
        num_classes: classes of the tasks; where they differ, losses that depend on them are left out.
        outputs: what the models' logits mean.
        class_counts: training samples of each class, for losses that make up for rare ones; none without.

    Example:
        >>> list(known_rivals([10], "softmax"))[:3]
        ['label smoothing', 'focal', 'poly']
    """
    known = known_losses(num_classes[0], class_counts or None)
    losses = {name.replace("_", " "): each.loss for name, each in known.items() if name != "cross_entropy"}
    suiting = {name: loss for name, loss in losses.items() if len(num_classes) == 1 or loss.num_classes is None}
    return {name: for_outputs(loss, outputs) for name, loss in suiting.items()}
