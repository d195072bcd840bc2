"""Optuna pruning inside a Lightning Trainer, on one device or many."""

import optuna
from lightning.pytorch import LightningModule, Trainer

from glo_lightning.callbacks.report import MetricReport
from glo_lightning.errors import SettingsError


class OptunaPruning(MetricReport):
    """Reports every epoch's validation to an Optuna trial, and stops the Trainer when the study's pruner says so.

    Works with any storage, pruner and strategy: rank 0 alone holds the trial, reports and decides, and the decision is
    broadcast. Nothing is raised inside the Trainer, so loggers and checkpoints close as after any training; ask
    ``stopped`` after the fit, and tell Optuna.

    Args:
        trial: the trial; needed on rank 0 only, ``None`` elsewhere.
        monitor: the logged name of the metric, e.g. ``"val_accuracy"``.

    Attributes:
        stopped: whether the pruner stopped the training; the same on all ranks.

    Raises:
        SettingsError: from ``fit``, if validation does not log the metric, or rank 0 has no trial.

    Example:
        >>> import optuna
        >>> from lightning.pytorch import Trainer
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> def objective(trial):
        ...     model = Classifier(mlp(), learning_rate=trial.suggest_float("learning_rate", 1e-3, 1.0, log=True))
        ...     pruning = OptunaPruning(trial, monitor="val_accuracy")
        ...     trainer = Trainer(
        ...         max_epochs=2, accelerator="cpu", callbacks=[pruning], logger=False, enable_checkpointing=False,
        ...         enable_progress_bar=False, enable_model_summary=False)
        ...     trainer.fit(model, DigitsDataModule())
        ...     if pruning.stopped:
        ...         raise optuna.TrialPruned
        ...     return trainer.callback_metrics["val_accuracy"].item()
        >>> study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
        >>> study.optimize(objective, n_trials=2)
        >>> len(study.trials[0].intermediate_values)
        2
    """

    def __init__(self, trial: optuna.Trial | None, monitor: str) -> None:
        super().__init__(monitor, self._tell)
        self.trial = trial

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse rank 0 without a trial; on all ranks, so that none is left waiting."""
        if trainer.strategy.broadcast(self.trial is None, src=0):
            raise SettingsError("a trial on rank 0", "none", "Ask the study on rank 0 and pass the trial there.")

    def _tell(self, epoch: int, metric: float) -> bool:
        assert self.trial is not None
        self.trial.report(metric, epoch)
        return self.trial.should_prune()
