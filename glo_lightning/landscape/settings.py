"""The settings of a look around trained models. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from typing import Literal

from glo_lightning.checked import setting
from glo_lightning.checkpoints.settings import CheckpointSettings


@dataclass(frozen=True, kw_only=True)
class LandscapeSettings(CheckpointSettings):
    """Around which models to look, and how far.

    Args:
        dimensions: random directions, the same for all models up to the norms of their filters: 2 for a surface, 1 for
            a line.
        span: longest step along a direction; a step of 1 moves each filter by its own norm.
        points: of the grid along a direction, an odd number; the middle one is the model itself.
        radius: steps up to this length count for the flatness, the mean accuracy over them.
        curvature: whether to compute the largest eigenvalue of the Hessian of cross-entropy.
    """

    dimensions: Literal[1, 2] = 2
    span: float = setting(1.0, above=0)
    points: int = setting(21, at_least=3)
    radius: float = setting(0.5, at_least=0)
    curvature: bool = True

    @property
    def name_of_results(self) -> str:
        """The verb's."""
        return "landscape"
