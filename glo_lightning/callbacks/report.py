"""Report a metric after each validation, and stop when told to."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

from glo_lightning.errors import SettingsError


class MetricReport(Callback):
    """Hands the monitored metric to a function after every validation; a reply of True stops the Trainer.

    Rank 0 alone calls the function; its reply is broadcast, so all ranks stop together and none raises. The Trainer
    ends normally: loggers and checkpoints are closed as after any training.

    Args:
        monitor: the logged name of the metric.
        report: takes (epoch, metric) and returns whether to stop.

    Attributes:
        stopped: whether the function asked to stop.

    Raises:
        SettingsError: from ``fit``, if validation does not log the metric.
    """

    def __init__(self, monitor: str, report: Callable[[int, float], bool]) -> None:
        self.monitor = monitor
        self.report = report
        self.stopped = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.stopped = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, unless this is the sanity check before training."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self.stopped:
            return
        metrics = trainer.callback_metrics
        if self.monitor not in metrics:  # on all ranks alike, so that none is left waiting
            raise SettingsError(
                f"validation to log {self.monitor!r}",
                f"only {sorted(metrics) or 'nothing'}",
                "Log it in validation_step with self.log, or monitor another metric.",
            )
        stop = trainer.is_global_zero and self.report(trainer.current_epoch, float(metrics[self.monitor]))
        if trainer.strategy.broadcast(stop, src=0):
            self.stopped = True
            trainer.should_stop = True
