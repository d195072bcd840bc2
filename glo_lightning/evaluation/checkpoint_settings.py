"""The settings of the verbs that judge trained models. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True)
class RobustnessSettings(CheckpointSettings):
    """Which models to attack, and how.

    Args:
        epsilons: largest changes of a pixel, in units of [0, 1]; 8/255 will do.
        steps: of PGD.
        attack_loss: what attacks raise: cross_entropy, or the loss that the model was trained with, from the loss.json
            beside its checkpoint (trained), which can mislead the attack.
        output_dir: gets robustness.json and robustness.png.
    """

    epsilons: tuple[float | str, ...] = (0.0, "2/255", "8/255", 0.1, 0.2, 0.3)
    steps: int = 10
    attack_loss: Literal["cross_entropy", "trained"] = "cross_entropy"
    output_dir: str | Path = "runs/robustness"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.epsilons:
            raise SettingsError("at least one epsilon", "none", "Use --epsilons 0 8/255 0.1.")
        if self.steps < 1:
            raise SettingsError("steps of 1 or more", repr(self.steps), "Use 10.")


@dataclass(frozen=True)
class LandscapeSettings(CheckpointSettings):
    """Around which models to look, and how far.

    Args:
        dimensions: random directions, the same for all models up to the norms of their filters: 2 for a surface, 1 for
            a line.
        span: longest step along a direction; a step of 1 moves each filter by its own norm.
        points: of the grid along a direction, an odd number; the middle one is the model itself.
        radius: steps up to this length count for the flatness, the mean accuracy over them.
        curvature: whether to compute the largest eigenvalue of the Hessian of cross-entropy.
        output_dir: gets landscape.json and landscape.png.
    """

    dimensions: Literal[1, 2] = 2
    span: float = 1.0
    points: int = 21
    radius: float = 0.5
    curvature: bool = True
    output_dir: str | Path = "runs/landscape"
