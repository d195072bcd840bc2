"""What a validation or a test logged, by every name it has."""

from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer


def measured(trainer: Trainer, logged: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of all data loaders together.

    Lightning numbers the names of several loaders; it logs a metric of steps and epochs by forked names, to callbacks
    by its own name, too; and what is hidden from loggers only callbacks see.

    Args:
        trainer: which has just validated or tested.
        logged: what its ``validate`` or ``test`` returned.
    """
    return {
        **{name: value for each in logged for name, value in each.items()},
        **{name: float(value) for name, value in trainer.callback_metrics.items()},
    }
