"""Rivals that have to be found first: cross-entropy tuned, and the best loss of the literature."""

from collections.abc import Sequence

import numpy as np

from glo_lightning.compare.comparison import Origin
from glo_lightning.compare.rivals import KNOWN, RIVALS, TUNED
from glo_lightning.losses import Loss, Outputs, known_losses, known_regression_losses
from glo_lightning.search.exploration.rival import RivalSource
from glo_lightning.search.records.candidates import count_trained, ranked, read_candidates
from glo_lightning.search.verdict.rivals import Rival
from glo_lightning.search.verdict.trainings import VerdictTrainings
from glo_lightning.training.run import Run


def find_rivals(source: RivalSource, trainings: VerdictTrainings) -> list[Rival]:
    """Return the best of those that tuned cross-entropy, and the best known loss, each chosen with fresh seeds.

    Args:
        source: the finished study that tuned cross-entropy; where no candidate trained, there is no such rival.
        trainings: of the verdict.
    """
    finalists = [*_tuned(source, trainings), *_known(source, trainings)]
    runs = [Run(each.loss, trainings.settings.seed, hyperparameters=each.hyperparameters) for each in finalists]
    means = [np.mean([evaluation.metric for evaluation in own]) for own in trainings.score_anew(runs, "rivals")]
    best: dict[bool, Rival] = {}
    for place in sorted(range(len(runs)), key=lambda place: trainings.monitor.rank_key(float(means[place]))):
        best.setdefault(finalists[place].name.endswith(TUNED), finalists[place])
    return [best[is_tuned] for is_tuned in (True, False) if is_tuned in best]


def _tuned(source: RivalSource, trainings: VerdictTrainings) -> list[Rival]:
    """Return the finalists of the study, which are re-scored as the search's are."""
    settings = trainings.settings
    candidates = read_candidates(source.study)
    finalists = ranked(candidates, trainings.monitor)[: settings.finalists]
    cost = count_trained(candidates) + len(finalists) * settings.finalist_seeds
    rivals = []
    for finalist in finalists:
        run, origin = source.run(finalist, settings.seed), Origin(cost, source.space.describe(finalist.parameters))
        rivals.append(Rival(RIVALS[settings.outputs] + TUNED, run.loss, run.hyperparameters, origin))
    return rivals


def _known(source: RivalSource, trainings: VerdictTrainings) -> list[Rival]:
    """Return the losses of the literature that do best in a training such as candidates have."""
    settings = trainings.settings
    num_classes = list(dict.fromkeys(task.num_classes for task in trainings.evaluators.tasks))
    known = known_rivals(num_classes, settings.outputs, source.space.class_counts, source.space.sigma)
    evaluations = trainings.score([Run(loss, settings.seed) for loss in known.values()], "known")
    scores = {name: each.metric for name, each in zip(known, evaluations, strict=True)}
    finalists = sorted(scores, key=lambda name: trainings.monitor.rank_key(scores[name]))[: settings.finalists]
    cost = len(known) + len(finalists) * settings.finalist_seeds
    return [Rival(KNOWN + name, known[name], origin=Origin(cost)) for name in finalists]


def known_rivals(
    num_classes: Sequence[int],
    outputs: Outputs,
    class_counts: Sequence[int] = (),
    sigma: float | Sequence[float] = 1.0,
) -> dict[str, Loss]:
    """Return the losses of the literature that suit the outputs, by name, but for what everybody trains with.

    Args:
        num_classes: classes of the tasks; where they differ, losses that depend on them are left out.
        outputs: what the models' outputs mean.
        class_counts: training samples of each class, for losses that make up for rare ones; none without.
        sigma: of real outputs, the standard deviation of the training targets.

    Example:
        >>> list(known_rivals([10], "softmax"))[:3]
        ['label smoothing', 'focal', 'poly']
        >>> list(known_rivals([1], "real"))[:3]
        ['absolute error', 'huber', 'pseudo huber']
    """
    known = (
        known_regression_losses(sigma)
        if outputs == "real"
        else known_losses(num_classes[0], class_counts or None, outputs)
    )
    usual = next(iter(known))
    losses = {name.replace("_", " "): each.loss for name, each in known.items() if name != usual}
    return {name: loss for name, loss in losses.items() if len(num_classes) == 1 or loss.num_classes is None}
