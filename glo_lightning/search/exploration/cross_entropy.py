"""Cross-entropy in the training of a candidate: what whoever watches a search compares its candidates with."""

import json

import optuna

from glo_lightning.losses import CrossEntropyLoss, for_outputs
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.records.candidates import CROSS_ENTROPY
from glo_lightning.search.storage.decision import decide_once
from glo_lightning.training.run import Run, Status


def measure_cross_entropy(study: optuna.Study, evaluators: EvaluatorFactory) -> None:
    """Train cross-entropy as candidates are trained, once in the life of a search, and keep the metric with the study.

    Where that diverges or crashes nothing is kept. Of several tasks, cross-entropy's metric is 1 by definition.

    Args:
        study: of the search.
        evaluators: prepared.
    """
    if CROSS_ENTROPY in study.user_attrs:
        return
    metric = 1.0 if evaluators.references else json.loads(decide_once(study, "start", lambda: _measure(evaluators)))
    if metric is not None:
        study.set_user_attr(CROSS_ENTROPY, metric)


def _measure(evaluators: EvaluatorFactory) -> str:
    settings = evaluators.settings
    run = Run(for_outputs(CrossEntropyLoss(), settings.outputs), settings.seed)
    (evaluation,) = evaluators.make().evaluate([run])
    return json.dumps(evaluation.metric if evaluation.status is Status.COMPLETED else None)
