"""The settings of a comparison. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glo_lightning.errors import SettingsError
from glo_lightning.training.monitor import require_direction

Baseline = Literal["cross_entropy", "twin", "label_smoothing", "focal", "poly"]


@dataclass(frozen=True)
class CompareSettings:
    """Which losses to compare, and how.

    Args:
        losses: named losses, and files of stored ones, such as the best_loss.json of a search.
        baselines: losses to add: cross_entropy, with which all others are compared; twin (cross-entropy scaled to the
            start-up gradient of each of the losses, to tell a better shape from a better learning rate);
            label_smoothing (of 0.1); focal; poly.
        seeds: trainings per loss; each seed fixes initial weights, data order and dropout for all losses alike.
        seed: what the seeds are drawn with; another one gives fresh seeds.
        epochs: length of a training; by default the Trainer's max_epochs, which a search needs for short ones.
        fractions: shares of the training split to train on, one comparison each; by default the data as configured.
        monitor: the validation metric, whose like on the test split is compared.
        mode: whether the monitored metric is better at its max or min.
        worst_metric: the metric a diverged training gets; by default 0 if higher is better, else 1e6.
        outputs: what the model's logits mean: softmax (one of C classes) or sigmoid (yes or no for each logit).
        loss_attribute: the attribute through which the model computes its training loss; dots reach submodules.
        evaluator: trainer (one training after another), population (many at once, as one stack of networks), or auto
            (whichever is faster on the first steps, and possible).
        name: of the comparison; the same name again trains only what is missing.
        output_dir: where results go; by default runs/<name>.
    """

    losses: tuple[str, ...] = ("baikal",)
    baselines: tuple[Baseline, ...] = ("cross_entropy", "twin")
    seeds: int = 10
    seed: int = 0
    epochs: int | None = None
    fractions: tuple[float, ...] = ()
    monitor: str = "val_accuracy"
    mode: Literal["max", "min"] = "max"
    worst_metric: float | None = None
    outputs: Literal["softmax", "sigmoid"] = "softmax"
    loss_attribute: str = "loss_fn"
    evaluator: Literal["auto", "trainer", "population"] = "auto"
    name: str = "compare"
    output_dir: str | Path | None = None

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise SettingsError("seeds of 2 or more", repr(self.seeds), "A spread needs two trainings: use 10.")
        if self.seed < 0:
            raise SettingsError("a seed of 0 or more", repr(self.seed), "Set --compare.seed=0.")
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError("epochs of 1 or more", repr(self.epochs), "Leave --compare.epochs out for max_epochs.")
        if not all(0.0 < fraction <= 1.0 for fraction in self.fractions):
            raise SettingsError("fractions in (0, 1]", repr(self.fractions), "Use --fractions 0.1 0.3 1.0.")
        require_direction(self.monitor, self.mode, "compare")
        if not self.name or "/" in self.name:
            raise SettingsError("a name without slashes", repr(self.name), "Set --compare.output_dir for a path.")
