"""The settings of a full training. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glo_lightning.errors import SettingsError
from glo_lightning.training.monitor import require_direction


@dataclass(frozen=True)
class TrainSettings:
    """What to train with, and what to keep of it.

    Args:
        loss: a named loss, or the file of a stored one, such as the best_loss.json of a search.
        epochs: length of the training; by default the Trainer's max_epochs, which a search needs for short ones.
        seed: fixes initial weights, data order and dropout.
        name: of the training, by default train_<loss>; the same command again goes on where this one stopped.
        output_dir: where results go; by default runs/<name>.
        resume: go on from the last checkpoint in the output folder, if there is one; false starts anew.
        test: open the test split at the end.
        monitor: the validation metric that says which epoch was best.
        mode: whether the monitored metric is better at its max or min.
        outputs: what the model's logits mean: softmax (one of C classes) or sigmoid (yes or no for each logit).
        loss_attribute: the attribute through which the model computes its training loss; dots reach submodules.
    """

    loss: str = "cross_entropy"
    epochs: int | None = None
    seed: int = 0
    name: str | None = None
    output_dir: str | Path | None = None
    resume: bool = True
    test: bool = True
    monitor: str = "val_accuracy"
    mode: Literal["max", "min"] = "max"
    outputs: Literal["softmax", "sigmoid"] = "softmax"
    loss_attribute: str = "loss_fn"

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError("epochs of 1 or more", repr(self.epochs), "Leave --train.epochs out for max_epochs.")
        if self.seed < 0:
            raise SettingsError("a seed of 0 or more", repr(self.seed), "Set --train.seed=0.")
        require_direction(self.monitor, self.mode, "train")
        if self.name is not None and (not self.name or "/" in self.name):
            raise SettingsError("a name without slashes", repr(self.name), "Set --train.output_dir for a path.")
