"""Whether a training may go on from what another one left in its folder."""

from pathlib import Path
from typing import Any

import torch

from glo_lightning.errors import ModelError, SettingsError


def require_resumable(last: Path, epochs: int) -> None:
    """Refuse a checkpoint that no training can go on from.

    Args:
        last: the checkpoint; nothing in it is executed.
        epochs: length of the training; -1 for no end.

    Raises:
        SettingsError: if it cannot be read, or is of a later epoch.
        ModelError: if it is of a training that diverged.
    """
    done, state = _read(last)
    if 0 <= epochs < done:
        raise SettingsError(
            f"a training of {done} epochs or more, as {str(last)!r} has had so many",
            str(epochs),
            f"Use --train.epochs={done} or more, or start anew with --train.resume=false.",
        )
    # Masks may hold infinities; NaN has no use.
    if any(value.isnan().any() for value in state.values() if isinstance(value, torch.Tensor)):
        raise ModelError(
            "a checkpoint without NaN among its weights",
            f"{str(last)!r}, whose training diverged",
            "Lower the learning rate, or choose another loss, and start anew with --train.resume=false.",
        )


def _read(last: Path) -> tuple[int, dict[str, Any]]:
    """Return how many epochs a checkpoint has begun, and its weights."""
    try:
        content = torch.load(last, map_location="cpu", weights_only=True)
        return content["epoch"] + 1, content["state_dict"]
    except Exception as error:  # damaged files raise errors of many kinds
        raise SettingsError(
            "a checkpoint that can be read",
            f"{str(last)!r}, which cannot ({type(error).__name__})",
            "Start anew with --train.resume=false.",
        ) from None
