"""What worker processes are forked from: a process that imports this has imported all that they need."""

from glo_lightning.cli.collector import without_collector

with without_collector():
    import glo_lightning.search.workers.work  # noqa: F401
