"""What everybody trains with, in the training of a candidate: what a search's candidates are seen beside."""

import json

import optuna

from glo_lightning.compare.rivals import BASELINES
from glo_lightning.losses import baseline_loss, in_units_of
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.records.candidates import BASELINE_SCORE
from glo_lightning.search.storage.decision import decide_unless_another_does
from glo_lightning.training.run import Run, Status


def measure_baseline(study: optuna.Study, evaluators: EvaluatorFactory) -> None:
    """Train the baseline as candidates are trained, once in the life of a search, and keep the metric with the study.

    One worker does so, and the others begin with the candidates meanwhile. Where it diverges or crashes nothing is
    kept. Of several tasks, cross-entropy's metric is 1 by definition.

    Args:
        study: of the search.
        evaluators: prepared.
    """
    if BASELINE_SCORE in study.user_attrs:
        return
    metric: float | None = 1.0
    if not evaluators.references:
        answer = decide_unless_another_does(study, "baseline", lambda: _measure(evaluators))
        metric = None if answer is None else json.loads(answer)
    if metric is not None:
        study.set_user_attr(BASELINE_SCORE, {"name": BASELINES[evaluators.settings.outputs], "metric": metric})


def _measure(evaluators: EvaluatorFactory) -> str:
    settings = evaluators.settings
    loss = in_units_of(baseline_loss(settings.outputs), evaluators.tasks[0].targets.sigma)
    (evaluation,) = evaluators.make().evaluate([Run(loss, settings.seed)])
    return json.dumps(evaluation.metric if evaluation.status is Status.COMPLETED else None)
