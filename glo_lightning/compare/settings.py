"""The settings of a comparison. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from typing import Literal

from glo_lightning.checked import setting
from glo_lightning.cli.settings import ScoreSettings

Baseline = Literal[
    "cross_entropy",
    "twin",
    "label_smoothing",
    "focal",
    "poly",
    "squared_error",
    "absolute_error",
    "huber",
    "log_cosh",
    "quantile",
]

USUAL: tuple[Baseline, ...] = ("cross_entropy", "twin")


@dataclass(frozen=True, kw_only=True)
class CompareSettings(ScoreSettings):
    """Which losses to compare, and how.

    Args:
        losses: named losses, and files of stored ones, such as the best_loss.json of a search.
        baselines: losses to add: cross_entropy, with which all others are compared; twin (cross-entropy scaled to the
            start-up gradient of each of the losses, to tell a better shape from a better learning rate);
            label_smoothing (of 0.1); focal; poly. With outputs=real: squared_error, which takes the place of
            cross_entropy unless baselines are named; twin; absolute_error; huber; log_cosh; quantile.
        seeds: trainings per loss; each seed fixes initial weights, data order and dropout for all losses alike.
        seed: what the seeds are drawn with; another one gives fresh seeds.
        epochs: length of a training; by default the Trainer's max_epochs, which a search needs for short ones.
        fractions: shares of the training split to train on, one comparison each; by default the data as configured.
        name: of the comparison; the same name again trains only what is missing.
    """

    losses: tuple[str, ...] = ("baikal",)
    baselines: tuple[Baseline, ...] = USUAL
    seeds: int = setting(10, at_least=2, cure="A spread needs two trainings: use 10.")
    epochs: int | None = setting(None, at_least=1)
    fractions: tuple[float, ...] = setting((), above=0, at_most=1)
    name: str = setting("compare", names_folder=True)

    @property
    def baselines_of_outputs(self) -> tuple[Baseline, ...]:
        """The baselines: as named, or the squared error in place of cross-entropy where outputs are real."""
        return ("squared_error", "twin") if self.outputs == "real" and self.baselines == USUAL else self.baselines

    @property
    def name_of_results(self) -> str:
        """That of the comparison."""
        return self.name
