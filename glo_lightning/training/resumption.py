"""Whether a training may go on from what another one left in its folder."""

from pathlib import Path
from typing import Any

import torch

from glo_lightning.errors import ModelError, SettingsError


def require_resumable(last: Path) -> None:
    """Refuse a checkpoint that no training can go on from.

    Args:
        last: the checkpoint; nothing in it is executed.

    Raises:
        SettingsError: if it cannot be read.
        ModelError: if it is of a training that diverged.
    """
    state = _read(last)["state_dict"]
    # Masks may hold infinities; NaN has no use.
    if any(value.isnan().any() for value in state.values() if isinstance(value, torch.Tensor)):
        raise ModelError(
            "a checkpoint without NaN among its weights",
            f"{str(last)!r}, whose training diverged",
            "Lower the learning rate, or choose another loss, and start anew with --train.resume=false.",
        )


def _read(last: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise errors of many kinds
        raise SettingsError(
            "a checkpoint that can be read",
            f"{str(last)!r}, which cannot ({type(error).__name__})",
            "Start anew with --train.resume=false.",
        ) from None
    return content
