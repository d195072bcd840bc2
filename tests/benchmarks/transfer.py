"""Losses found on one task, on all others: what they are worth where nobody searched.

    python tests/benchmarks/transfer.py [--targets digits "60 %" wine] [--data DIR]

Sources are the losses in the records of noise.py, a search over two tasks at once (clean digits, and digits with 60 %
of the labels wrong), and two losses of the literature. Each trains on every target as it is, beside cross-entropy, and
nothing is tuned for it. Stopped, it goes on.

    python tests/benchmarks/transfer.py --seed 1 --only "trees, 40 %"

asks again of those that did best, whether they were only lucky: with other noise, and trainings that nobody has seen.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from page.command import options_of
from page.matrix import draw_matrix, matrix
from page.records import Record, Records
from page.searching import FAMILIES, QUICK
from page.tasks import WORKS, Work
from rich.console import Console

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.settings import CompareSettings
from glo_lightning.compare.trainings import run_comparison
from glo_lightning.losses import Loss
from glo_lightning.losses.known import known_losses
from glo_lightning.search import LossSearch
from glo_lightning.training.task import python_task

BASELINE = "cross_entropy"
TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {}),
    "20 %": ("digits", {"label_noise": 0.2}),
    "40 %": ("digits", {"label_noise": 0.4}),
    "60 %": ("digits", {"label_noise": 0.6}),
    "80 %": ("digits", {"label_noise": 0.8}),
    "pairs, 40 %": ("digits", {"label_noise": 0.4, "kind": "pairs"}),
    "108 digits": ("few digits", {}),
    "wine": ("wine", {}),
    "wine, 40 %": ("wine", {"label_noise": 0.4}),
    "breast cancer": ("breast cancer", {}),
    "breast cancer, a third": ("breast cancer", {"label_noise": 0.33}),
    "MNIST, 60 %": ("mnist", {"label_noise": 0.6}),
}
"""The task and what is done to its labels, by what tables call it."""

KNOWN = ("symmetric_cross_entropy", "generalised_cross_entropy")
TOGETHER = ("digits", "60 %")


def found(records: list[Record], classes: int) -> dict[str, Loss]:
    """Return the losses of the records, by family and where they were found, for so many classes."""
    sources = [each for each in records if each.task == "digits" and each.search == 0 and each.loss]
    return {f"{each.family}, {each.condition}": for_classes(each.loss, classes) for each in sources}


def for_classes(stored: Mapping[str, Any], classes: int) -> Loss:
    """Return a stored loss; one that is of so many classes becomes one of as many as there are."""
    return Loss.from_dict({**stored, "num_classes": classes} if "num_classes" in stored else dict(stored))


def search_together(folder: Path, data: Path, quick: bool) -> Loss:
    """Return the drive loss that does best on two tasks at once."""
    tasks = {}
    for name in TOGETHER:
        work, corruption = work_of(name, quick)
        tasks[name] = python_task(work.model, work.corrupted(data, **corruption), work.trainer)
    settings = {**FAMILIES["drive"], **(QUICK if quick else {})}
    return (
        LossSearch(**settings, comparison_seeds=0, study_name="together", output_dir=folder, verbosity="quiet")
        .run_tasks(tasks)
        .discovered_loss
    )


def work_of(target: str, quick: bool) -> tuple[Work, dict[str, Any]]:
    name, corruption = TARGETS[target]
    return (WORKS[name].quick() if quick else WORKS[name]), corruption


def compare(target: str, losses: Mapping[str, Loss], options: Any) -> Comparison:
    """Train all losses on a target, with as many seeds as its verdicts have."""
    work, corruption = work_of(target, options.quick)
    task = python_task(work.model, work.corrupted(options.data, **corruption, seed=options.seed), work.trainer)
    settings = CompareSettings(
        losses=(), baselines=(BASELINE,), seeds=work.seeds, seed=options.seed, epochs=work.epochs, name=target
    )
    storage = options.runs / "transfer"
    storage.mkdir(parents=True, exist_ok=True)
    _, (trained,) = run_comparison(settings, losses, {None: lambda: task}, storage / "study.db", Console(quiet=True))
    return trained.comparison


def main() -> None:
    more: dict[str, dict[str, Any]] = {
        "--seed": {"type": int, "default": 0, "help": "of noise and trainings"},
        "--only": {"nargs": "+", "help": "of the losses found, by the names that the table gives them"},
    }
    options = options_of(__doc__, conditions=TARGETS, conditions_name="targets", more=more)
    name = f"transfer_{options.seed}" if options.seed else "transfer"
    sources = Records(options.output / "noise.json").read()
    records = Records(options.output / f"{name}.json")
    together = search_together(options.runs / "together", options.data, options.quick).to_dict()
    for target in options.targets:
        if TARGETS[target][0] == "mnist" and not (options.data / "MNIST").exists():
            print(f"{target}: left out, for there is no {options.data / 'MNIST'}")
            continue
        classes = work_of(target, options.quick)[0].model().num_classes
        known = known_losses(classes)
        ours = {**found(sources, classes), "drive, clean and 60 %": for_classes(together, classes)}
        losses = {
            **{each.replace("_", " "): known[each].loss for each in KNOWN},
            **{each: loss for each, loss in ours.items() if not options.only or each in options.only},
        }
        comparison = compare(target, losses, options)
        records.keep(Record(target, "", "transfer", 0, len(losses) * len(comparison.seeds), 0.0, comparison))
    kept = {each.task: each.comparison for each in records.read()}
    print(matrix(kept))
    draw_matrix(kept, options.figures / f"{name}.svg")


if __name__ == "__main__":
    main()
