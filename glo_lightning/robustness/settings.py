"""The settings of attacks on trained models. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glo_lightning.checkpoints.settings import CheckpointSettings
from glo_lightning.errors import SettingsError


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
