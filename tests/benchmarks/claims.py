"""What the papers claim of searched losses beside accuracy, against rivals that were tuned for the same.

    python tests/benchmarks/claims.py [--claims speed "small data" attacks "PGD attacks" flatness]

Training speed: accuracy after three epochs, searched and tuned for that. Small data: 108 digits. Attacks: accuracy
under FGSM or PGD, searched and tuned for that, without an attack, and under the strongest of many. Flatness: losses
found for accuracy with right labels, and the mean accuracy within half a filter norm of their minima. Stopped, it goes
on.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from page.command import options_of
from page.plots import draw
from page.records import Record, Records
from page.searching import FORMULAS, Searched, search
from page.tables import by_condition, verdicts
from page.tasks import WORKS, Work

from glo_lightning.attacks import PixelSpace
from glo_lightning.compare.comparison import Comparison, compare_metrics
from glo_lightning.landscape.surface import grid, measure_surface, random_directions
from glo_lightning.robustness.accuracy import measure_robustness
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.trainer import TrainerEvaluator

ACCURACY = Monitor()
CLAIMS: dict[str, tuple[Work, Monitor]] = {
    "speed": (replace(WORKS["digits"], epochs=3), ACCURACY),
    "small data": (WORKS["few digits"], ACCURACY),
    "attacks": (WORKS["digits"], Monitor("val_fgsm_accuracy")),
    "PGD attacks": (WORKS["digits"], Monitor("val_pgd_accuracy")),
    "flatness": (WORKS["digits"], ACCURACY),
}
"""What is trained and searched for."""

OTHERS = {
    "without_attack": "accuracy without an attack",
    "strongest_attack": "accuracy under the strongest attack",
    "flatness": "mean accuracy within half a filter norm",
}
"""What else is told of the losses, and what tables call it."""

RADIUS = 0.5
MODELS = 5
"""Of each loss whose minima are looked around in."""

EPSILON, STEPS = 0.1, 50
"""Of the strongest attack: the largest change of a pixel, which is FGSM's, too, and the steps of PGD."""

Measure = Callable[[Mapping[str, LightningModule], LightningDataModule], dict[str, float]]
"""What models are like, by the names of their losses."""


class _Kept(Callback):
    model: LightningModule

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.model = pl_module


def models_of(searched: Searched, seed: int) -> dict[str, LightningModule]:
    """Train a model with each loss of the verdict; return them by the losses' names."""
    models = {}
    for name, run in searched.runs.items():
        kept = _Kept()
        evaluator = TrainerEvaluator(searched.task, searched.monitor, epochs=searched.epochs, callbacks=[kept])
        evaluator.evaluate([replace(run, seed=seed)])
        models[name] = kept.model
    return models


def flatness(models: Mapping[str, LightningModule], data: LightningDataModule) -> dict[str, float]:
    """Return the mean test accuracy within a radius around each model."""
    batches = list(data.test_dataloader())
    measured = {}
    for name, model in models.items():
        surface = measure_surface(model, batches, random_directions(model, 2, seed=0), grid(1.0, 11))
        measured[name] = surface.flatness(RADIUS)
    return measured


def strongest_attack(models: Mapping[str, LightningModule], data: LightningDataModule) -> dict[str, float]:
    """Return the test accuracy of each model under whichever attack of the verb ``robustness`` leaves least."""
    batches = list(data.test_dataloader())
    robustness = measure_robustness(models, batches, [EPSILON], PixelSpace.of(data), steps=STEPS)
    return {name: min(left for (left,) in curve.accuracy.values()) for name, curve in robustness.curves.items()}


def compare_models(searched: Searched, name: str, measure: Measure, number: int) -> Comparison:
    """Compare the losses by what as many models of each are like."""
    seeds = searched.comparison.seeds[:number]
    measured = [measure(models_of(searched, seed), searched.task.datamodule) for seed in seeds]
    by_loss = {loss: [each[loss] for each in measured] for loss in searched.runs}
    return compare_metrics(by_loss, Monitor(name), seeds, epochs=searched.epochs, focus=DISCOVERED)


def others_of(claim: str, searched: Searched) -> dict[str, Comparison]:
    """Return what else is told of the losses."""
    if claim == "flatness":
        return {"flatness": compare_models(searched, "flatness", flatness, MODELS)}
    if claim.endswith("attacks"):
        attacked = compare_models(searched, "strongest_attack", strongest_attack, len(searched.comparison.seeds))
        return {"without_attack": searched.by(ACCURACY), "strongest_attack": attacked}
    return {}


def panel(record: Record) -> Record:
    """Return the record as its claim's panel of the plot has it."""
    told = [record.others[name] for name in ("strongest_attack", "flatness") if name in record.others]
    return replace(record, task=record.condition, comparison=next(iter(told), record.comparison))


def main() -> None:
    options: Any = options_of(__doc__, conditions=CLAIMS, families=FORMULAS, conditions_name="claims")
    records = Records(options.output / "claims.json")
    for claim in options.claims:
        work, monitor = CLAIMS[claim]
        work = work.quick() if options.quick else work
        for family in options.families:
            for seed in range(options.searches):
                folder = options.runs / f"claims {claim} {family} {seed}"
                data = work.corrupted(options.data)
                searched = search(work, data, family, seed, folder, monitor, quick=options.quick)
                record = Record.of(searched, "digits", claim, family, seed, **others_of(claim, searched))
                records.keep(record)
                print(record, flush=True)
    kept = records.read()
    print(by_condition(kept, CLAIMS, "test accuracy (under attack: of *attacks*)"))
    print(verdicts(kept, CLAIMS))
    for name, title in OTHERS.items():
        own = [each for each in kept if name in each.others]
        if own:
            print(by_condition(own, CLAIMS, title, name))
            print(verdicts(own, CLAIMS, name))
    draw([panel(each) for each in kept], CLAIMS, "on the test split", options.figures / "claims.svg")


if __name__ == "__main__":
    main()
