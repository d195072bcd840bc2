"""The metrics of a search."""

from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.monitor import Monitor


def task_monitor(settings: SearchSettings) -> Monitor:
    """Return the metric that scores trainings on each task."""
    return settings.metric


def search_monitor(settings: SearchSettings) -> Monitor:
    """Return the metric that scores candidates: of several tasks, the mean of what cross-entropy's metric makes 1."""
    if not settings.tasks:
        return task_monitor(settings)
    return Monitor(f"{settings.monitor} relative to cross-entropy", "max", 0.0)
