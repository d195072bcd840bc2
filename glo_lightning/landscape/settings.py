"""The settings of a look around trained models. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glo_lightning.checkpoints.settings import CheckpointSettings


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
