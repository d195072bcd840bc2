"""Optuna pruning inside a Lightning Trainer, on one device or many."""

import optuna

from glo_lightning.callbacks.report import MetricReport


class OptunaPruning(MetricReport):
    """Reports every validation to an Optuna trial and stops the Trainer when the study's pruner says so.

    Works with any storage and any strategy: rank 0 alone holds the trial, decides, and broadcasts the decision;
    nothing is raised inside the Trainer, so loggers and checkpoints close as after any training. Ask ``stopped``
    after the fit and tell Optuna.

    Args:
        trial: the trial, needed on rank 0 only; None elsewhere.
        monitor: the logged name of the metric.

    Attributes:
        stopped: whether the pruner stopped the training.

    Example:
        An objective for ``study.optimize``::

            def objective(trial):
                pruning = OptunaPruning(trial, monitor="val_accuracy")
                trainer = Trainer(callbacks=[pruning], max_epochs=10)
                trainer.fit(model, datamodule)
                if pruning.stopped:
                    raise optuna.TrialPruned
                return trainer.callback_metrics["val_accuracy"].item()
    """

    def __init__(self, trial: optuna.Trial | None, monitor: str) -> None:
        super().__init__(monitor, self._tell)
        self.trial = trial

    def _tell(self, epoch: int, metric: float) -> bool:
        assert self.trial is not None, "rank 0 holds the trial"
        self.trial.report(metric, epoch)
        return self.trial.should_prune()
