"""Report a metric after each epoch that was validated, and stop when told to."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer

from glo_lightning.errors import SettingsError


class MetricReport(Callback):
    """Hands the monitored metric to a function after every epoch; a reply of True stops the Trainer.

    Of several validations in an epoch the last one counts; an epoch without validation is not reported.
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
        self._validated = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.stopped = self._validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there is a metric, unless this is the sanity check before training."""
        self._validated = not trainer.sanity_checking and trainer.state.fn == "fit"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch's last validation."""
        if not self._validated or self.stopped:
            return
        self._validated = False
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
