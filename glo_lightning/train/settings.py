"""The settings of a full training. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass

from glo_lightning.checked import setting
from glo_lightning.cli.settings import TaskSettings


@dataclass(frozen=True, kw_only=True)
class TrainSettings(TaskSettings):
    """What to train with, and what to keep of it.

    Args:
        loss: a named loss, or the file of a stored one, such as the best_loss.json of a search; with outputs=real,
            squared_error takes the place of cross_entropy.
        epochs: length of the training; by default the Trainer's max_epochs, which a search needs for short ones.
        seed: fixes initial weights, data order and dropout.
        name: of the training, by default train_<loss>; the same command again goes on where this one stopped.
        resume: go on from the last checkpoint in the output folder, if there is one; false starts anew.
        test: open the test split at the end.
    """

    loss: str = "cross_entropy"
    epochs: int | None = setting(None, at_least=1)
    name: str | None = setting(None, names_folder=True)
    resume: bool = True
    test: bool = True

    @property
    def loss_of_outputs(self) -> str:
        """The loss: as set, or the squared error in place of cross-entropy where outputs are real."""
        return "squared_error" if self.outputs == "real" and self.loss == "cross_entropy" else self.loss

    @property
    def name_of_results(self) -> str:
        """That of the training, or of its loss."""
        from glo_lightning.losses.named import short_name

        return self.name or f"train_{short_name(self.loss_of_outputs)}"
