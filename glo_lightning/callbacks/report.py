"""Report a metric after each epoch that was validated, and stop when told to."""

from collections.abc import Callable

from lightning.pytorch import LightningModule, Trainer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.errors import SettingsError


class MetricReport(LeanCallback):
    """Hands the monitored metric to a function after every epoch; a reply of True stops the Trainer.

    Of several validations in an epoch the last one counts; an epoch without validation is not reported.
    Rank 0 alone calls the function; its reply is broadcast, so all ranks stop together and none raises. The Trainer
    ends normally: loggers and checkpoints are closed as after any training.

    Args:
        monitor: the logged name of the metric.
        report: takes (epoch, metric) and returns whether to stop.

    Attributes:
        metric: of the last validation; None before the first.
        stopped: whether the function asked to stop.

    Raises:
        SettingsError: from ``fit``, if validation does not log the metric.
    """

    def __init__(self, monitor: str, report: Callable[[int, float], bool]) -> None:
        super().__init__()
        self.monitor = monitor
        self.report = report
        self.metric: float | None = None
        self.stopped = self._validated = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.metric = None
        self.stopped = self._validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take in the metric, unless this is the sanity check before training."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or self.stopped:
            return
        metrics = trainer.callback_metrics
        if self.monitor not in metrics:  # on all ranks alike, so that none is left waiting
            raise SettingsError(
                f"validation to log {self.monitor!r}",
                f"only {sorted(metrics) or 'nothing'}",
                "Log it in validation_step with self.log, or monitor another metric.",
            )
        # Now, because training may log something by the same name when its epoch ends.
        self.metric = float(metrics[self.monitor])
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch's last validation."""
        if not self._validated or self.stopped:
            return
        self._validated = False
        assert self.metric is not None
        stop = trainer.is_global_zero and self.report(trainer.current_epoch, self.metric)
        if trainer.strategy.broadcast(stop, src=0):
            self.stopped = True
            trainer.should_stop = True
