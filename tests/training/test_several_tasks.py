"""One metric for a loss trained on several tasks, by evaluations that are given."""

from collections.abc import Sequence

import pytest

from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluation, Run, Status
from glo_lightning.training.several_tasks import Reference, SeveralTasksEvaluator


class Fixed:
    """Returns the same evaluation for every run."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        return [self.evaluation for _ in runs]


def test_a_task_that_diverged_gives_nothing_and_shows_no_metric() -> None:
    parts = {
        "three": Fixed(Evaluation(0.25, Status.COMPLETED, seconds=1.0, epoch=3)),
        "four": Fixed(Evaluation(1e6, Status.DIVERGED, "not finite at step 4", seconds=0.5, epoch=1)),
    }
    references = dict.fromkeys(parts, Reference(untrained=1.0, cross_entropy=0.5))
    evaluator = SeveralTasksEvaluator(parts, references, Monitor("val_loss", "min"))
    (evaluation,) = evaluator.evaluate([Run(CrossEntropyLoss(), 0)])
    assert evaluation.metric == pytest.approx((1.5 + 0.0) / 2)
    assert (evaluation.status, evaluation.reason) == (Status.DIVERGED, "four: not finite at step 4")
    assert evaluation.metrics == {"three": 0.25}
    assert (evaluation.seconds, evaluation.epoch) == (1.5, 1)
