"""Rare classes: what a searched loss that knows their frequencies is worth beside what else makes up for them.

    python tests/benchmarks/long_tails.py [--tasks digits mnist cifar10] [--data DIR] [--families "known, drive" Taylor]

The first class has 10, 50 or 100 times as many training samples as the last; validation and test data are as balanced
as they were. Searches are for balanced accuracy. Tuned cross-entropy has weights and margins of the classes to be
tuned, too, and losses for long tails are among the known ones. Stopped, it goes on, as noise.py does.
"""

from page.command import options_of, works_of
from page.plots import draw
from page.searching import FORMULAS
from page.sweep import sweep
from page.tables import by_condition, verdicts

from glo_lightning.training.monitor import Monitor

CONDITIONS = {f"ratio {ratio}": {"long_tail": float(ratio)} for ratio in (10, 50, 100)}
BALANCED, WORST = Monitor("val_balanced_accuracy"), Monitor("val_worst_class_accuracy")


def main() -> None:
    options = options_of(__doc__, ("digits", "mnist", "cifar10"), CONDITIONS, FORMULAS)
    records = sweep(
        options, "long_tails", CONDITIONS, lambda searched: {"worst_class": searched.by(WORST)}, BALANCED, True
    )
    for name, work in works_of(options):
        kept = [each for each in records if each.task == name]
        if not kept:
            continue
        print(by_condition(kept, CONDITIONS, f"{work.words}, balanced accuracy"))
        print(by_condition(kept, CONDITIONS, "the same, worst class", "worst_class"))
        print(verdicts(kept, CONDITIONS))
    draw(records, CONDITIONS, "balanced test accuracy", options.figures / "long_tails.svg")


if __name__ == "__main__":
    main()
