"""Every search that was asked for, one after another, each verdict written as soon as it is there."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from glo_lightning.compare.comparison import Comparison
from glo_lightning.training.kept_memory import freed_memory_kept
from glo_lightning.training.monitor import Monitor
from page.command import works_of
from page.records import Record, Records
from page.searching import Searched, search


def sweep(
    options: argparse.Namespace,
    name: str,
    conditions: Mapping[str, Mapping[str, Any]],
    others: Callable[[Searched], Mapping[str, Comparison]],
    monitor: Monitor | None = None,
    class_aware: bool = False,
) -> list[Record]:
    """Search and keep the verdicts.

    Args:
        options: of the command line.
        name: of the section, its studies and its file.
        conditions: what CorruptedDataModule is told, by name.
        others: further comparisons of a verdict's losses.
        monitor: what is searched for; accuracy by default.
        class_aware: whether losses know how frequent classes are.

    Returns:
        All records of the file, earlier ones included.
    """
    records = Records(options.output / f"{name}.json")
    for task, work in works_of(options):
        for condition in options.conditions:
            for family in options.families:
                for seed in range(options.searches):
                    data = work.corrupted(options.data, **conditions[condition])
                    folder = options.runs / f"{name} {task} {condition} {family} {seed}"
                    searched = search(work, data, family, seed, folder, monitor, class_aware, options.quick)
                    with freed_memory_kept():
                        record = Record.of(searched, task, condition, family, seed, **others(searched))
                    records.keep(record)
                    print(record, flush=True)
    return records.read()
