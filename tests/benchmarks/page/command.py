"""The options that scripts of the page have in common."""

import argparse
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import torch

from page.tasks import WORKS, Work

HERE = Path(__file__).parent.parent


def options_of(
    documentation: str | None,
    tasks: Sequence[str] = (),
    conditions: Iterable[str] = (),
    families: Iterable[str] = (),
    conditions_name: str = "conditions",
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> argparse.Namespace:
    """Parse the command line; --quick is one search of almost nothing, kept only in folders that are named."""
    conditions, families = list(conditions), list(families)
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    if tasks:
        parser.add_argument("--tasks", nargs="+", choices=tasks, default=list(tasks[:1]))
    if conditions:
        parser.add_argument(f"--{conditions_name}", nargs="+", choices=conditions, default=conditions)
    if families:
        parser.add_argument("--families", nargs="+", choices=families, default=families)
        parser.add_argument("--searches", type=int, default=2, help="of each kind, by their seeds 0, 1, ...")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of MNIST/raw and cifar10/train/CLASS")
    parser.add_argument("--runs", type=Path, help="where searches are kept, runs/benchmarks by default")
    parser.add_argument("--output", type=Path, help="folder of the records, measured/ beside the script by default")
    parser.add_argument("--figures", type=Path, help="folder of the plot, figures/ beside the script by default")
    for name, explained in (more or {}).items():
        parser.add_argument(name, **explained)
    parser.add_argument("--quick", action="store_true", help="show that it runs, and measure nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    folders = {"runs": Path("runs/benchmarks"), "output": HERE / "measured", "figures": HERE / "figures"}
    if options.quick:
        options.kept = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # as long as the options are
        folders = {name: Path(options.kept.name) / name for name in folders}
        first = {name: vars(options)[name][:1] for name in (conditions_name, "families") if name in options}
        vars(options).update(first, searches=1)
    for name, folder in folders.items():
        setattr(options, name, getattr(options, name) or folder)
    return options


def works_of(options: argparse.Namespace) -> Iterator[tuple[str, Work]]:
    """Yield the tasks that were asked for, by name."""
    for name in options.tasks:
        yield name, WORKS[name].quick() if options.quick else WORKS[name]
