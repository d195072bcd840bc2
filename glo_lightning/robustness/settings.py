"""The settings of attacks on trained models. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from typing import Literal

from glo_lightning.checked import setting
from glo_lightning.checkpoints.settings import CheckpointSettings
from glo_lightning.errors import SettingsError
from glo_lightning.options import option


@dataclass(frozen=True, kw_only=True)
class RobustnessSettings(CheckpointSettings):
    """Which models to attack, and how.

    Args:
        epsilons: largest changes of a pixel, in units of [0, 1]; 8/255 will do.
        steps: of PGD.
        attack_loss: what attacks raise: cross_entropy, or the loss that the model was trained with, from the loss.json
            beside its checkpoint (trained), which can mislead the attack.
    """

    epsilons: tuple[float | str, ...] = (0.0, "2/255", "8/255", 0.1, 0.2, 0.3)
    steps: int = setting(10, at_least=1)
    attack_loss: Literal["cross_entropy", "trained"] = "cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.epsilons:
            raise SettingsError(f"at least one of {option('epsilons')}", "none", "Use 0, 8/255 and 0.1.")

    @property
    def name_of_results(self) -> str:
        """The verb's."""
        return "robustness"
