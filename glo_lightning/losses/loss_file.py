"""Losses in files."""

import json
import os
from pathlib import Path
from typing import Any

from glo_lightning.errors import LossFileError
from glo_lightning.files import write_whole
from glo_lightning.losses.base import Loss
from glo_lightning.losses.stored_form import refuse_constant

MAX_BYTES = 1_000_000


def save_loss(loss: Loss, path: str | os.PathLike[str]) -> None:
    """Write a loss to a JSON file, whole or not at all.

    Args:
        loss: a loss of any family.
        path: the file; its folder must exist, and an older file is replaced.

    Raises:
        OSError: if the file cannot be written.
    """
    write_whole(Path(path), json.dumps(loss.to_dict(), indent=2, allow_nan=False) + "\n")


def load_loss(path: str | os.PathLike[str]) -> Loss:
    """Read a loss from a JSON file that anyone may have written.

    Args:
        path: the file.

    Returns:
        The loss.

    Raises:
        LossFileError: if the file holds anything but a loss of a known family.
        OSError: if the file cannot be read.
    """
    return Loss.from_dict(read_stored(path))


def read_stored(path: str | os.PathLike[str]) -> Any:
    """Read the JSON values of a small file that anyone may have written.

    Args:
        path: the file.

    Raises:
        LossFileError: if it is too large, or no JSON; NaN and infinities are none.
        OSError: if the file cannot be read.
    """
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise LossFileError(f"a file of at most {MAX_BYTES} bytes", "a larger one", "Check the path.")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, LossFileError):
            raise
        raise LossFileError("a JSON file", f"{path}, which is not JSON", "Store a loss with save_loss.") from error
