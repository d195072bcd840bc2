"""Which trained models to judge, and on which images. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from typing import Literal

from glo_lightning.checked import setting
from glo_lightning.cli.settings import Settings


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings(Settings):
    """Which models, and on which images.

    Args:
        checkpoints: of the model that the command line describes, such as the last.ckpt of a training.
        split: where the images are from: test or val.
        num_images: images, drawn at random; all if the split has no more.
        seed: fixes the images, random starts and random directions.
    """

    checkpoints: tuple[str, ...] = ()
    split: Literal["test", "val"] = "test"
    num_images: int = setting(1000, at_least=1)
