"""The metric one cares about: a loss searched for it, beside cross-entropy tuned for it, thresholds tuned for both.

    python tests/benchmarks/metrics.py [--metrics macro_f1 worst_class auroc expected_cost nll]

The monitor of a search and of its rivals is the metric itself, on validation data. "Corrected" is what can be had
without any other loss: an addition to the logit of each class (a threshold, of two) or, for calibration, a
temperature, tuned on the validation data and measured on the test split. Calibration is searched by the likelihood,
because the calibration error alone is least where a model says the same of everything. Stopped, it goes on.
"""

from dataclasses import replace
from functools import partial

from page.command import options_of
from page.plots import draw
from page.records import Record, Records
from page.scored import CORRECTED, METRICS, ScoredClassifier
from page.searching import FORMULAS, search
from page.tables import by_condition, verdicts
from page.tasks import WORKS

from glo_lightning.training.monitor import Monitor

PLACES = {
    "macro_f1": ("digits", {"long_tail": 50.0}),
    "worst_class": ("digits", {"long_tail": 50.0}),
    "auroc": ("breast cancer", {"label_noise": 0.2}),
    "expected_cost": ("breast cancer", {"label_noise": 0.2}),
    "nll": ("digits", {}),
}
"""Where each metric is searched for: the task and what is done to its labels."""


def main() -> None:
    options = options_of(__doc__, [], PLACES, FORMULAS, conditions_name="metrics")
    records = Records(options.output / "metrics.json")
    for name in options.metrics:
        task, corruption = PLACES[name]
        work = replace(WORKS[task], module=partial(ScoredClassifier, correct=name))
        work = work.quick() if options.quick else work
        monitor = Monitor(f"val_{name}", METRICS[name][1])
        for family in options.families:
            for seed in range(options.searches):
                searched = search(
                    work, work.corrupted(options.data, **corruption), family, seed,
                    options.runs / f"metrics {name} {family} {seed}", monitor, "long_tail" in corruption, options.quick,
                )  # fmt: skip
                others = {"corrected": searched.by(Monitor(monitor.name + CORRECTED, monitor.mode))}
                if name == "nll":
                    others["ece"] = searched.by(Monitor("val_ece", "min"))
                record = Record.of(searched, task, name, family, seed, **others)
                records.keep(record)
                print(record, flush=True)
    kept, figure = records.read(), options.figures / "metrics.svg"
    print(by_condition(kept, PLACES, "on the test split, as trained"))
    print(by_condition(kept, PLACES, "corrected on validation", "corrected"))
    calibrated = [each for each in kept if "ece" in each.others]
    print(by_condition(calibrated, PLACES, "calibration error (ECE), as trained", "ece"))
    print(verdicts(kept, PLACES))
    print("The same, all corrected:\n")
    print(verdicts(kept, PLACES, "corrected"))
    draw([replace(each, task=each.condition) for each in kept], PLACES, "on the test split", figure)


if __name__ == "__main__":
    main()
