"""Which trained models to judge, and on which images. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from typing import Literal

from glo_lightning.errors import SettingsError


@dataclass(frozen=True)
class CheckpointSettings:
    """Which models, and on which images.

    Args:
        checkpoints: of the model that the command line describes, such as the last.ckpt of a training.
        split: where the images are from: test or val.
        num_images: images, drawn at random; all if the split has no more.
        seed: fixes the images, random starts and random directions.
    """

    checkpoints: tuple[str, ...] = ()
    split: Literal["test", "val"] = "test"
    num_images: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_images < 1:
            raise SettingsError("num_images of 1 or more", repr(self.num_images), "Use 1000.")
        if self.seed < 0:
            raise SettingsError("a seed of 0 or more", repr(self.seed), "Use 0.")
