"""Wrong labels: what a searched loss is worth beside cross-entropy, cross-entropy tuned, and the literature's best.

    python tests/benchmarks/noise.py [--tasks digits mnist mnist_cnn cifar10] [--data DIR] [--families drive trees]

Labels are wrong in training and validation alike, and right in the test split. Every search is a study in --runs: what
was stopped goes on, what has finished is read again, and the same command in another terminal shares the work. Each
verdict is written to --output as soon as it is there; tables and plot are made of that file.
"""

from page.command import options_of, works_of
from page.plots import draw
from page.searching import FAMILIES
from page.sweep import sweep
from page.tables import by_condition, verdicts

CONDITIONS = {
    "20 %": {"label_noise": 0.2},
    "40 %": {"label_noise": 0.4},
    "60 %": {"label_noise": 0.6},
    "80 %": {"label_noise": 0.8},
    "pairs, 40 %": {"label_noise": 0.4, "kind": "pairs"},
}


def main() -> None:
    options = options_of(__doc__, ("digits", "mnist", "mnist_cnn", "cifar10"), CONDITIONS, FAMILIES)
    records = sweep(options, "noise", CONDITIONS, lambda searched: {"best_epoch": searched.at_best_epoch()})
    for name, work in works_of(options):
        kept = [each for each in records if each.task == name]
        if not kept:
            continue
        print(by_condition(kept, CONDITIONS, f"{work.words}, last epoch"))
        print(by_condition(kept, CONDITIONS, "the same, best validation epoch", "best_epoch"))
        print(verdicts(kept, CONDITIONS))
    draw(records, CONDITIONS, "test accuracy, labels wrong", options.figures / "noise.svg")


if __name__ == "__main__":
    main()
