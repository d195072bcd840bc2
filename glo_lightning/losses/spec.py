"""The stored form of a loss: JSON that can only become a loss or an error.

A stored loss is ``{"format": 1, "family": NAME, "parameters": {...}}``; the parameters are the arguments of
the family's constructor, and those that are losses or lists of losses are stored in the same form. Family names come
from a table of known classes, never from an import path, so a stranger's file can do no more than describe a loss.

Example:
    >>> from glo_lightning.losses import FocalLoss
    >>> stored = loss_to_dict(FocalLoss(2.0))
    >>> stored["family"], stored["parameters"]["focusing"]
    ('focal', 2.0)
    >>> loss_from_dict(stored)
    FocalLoss(focusing=2.0, class_reduction='sum', reduction='mean', label_smoothing=0.0)
"""

import inspect
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.files import write_whole
from glo_lightning.losses.base import Loss

FORMAT = 1
MAX_BYTES = 1_000_000
MAX_DEPTH = 16


def loss_to_dict(loss: Loss) -> dict[str, Any]:
    """Return the stored form of a loss.

    Args:
        loss: a loss of any family.

    Returns:
        JSON values only.
    """
    return {"format": FORMAT, "family": loss.family, "parameters": loss.arguments()}


def loss_from_dict(stored: object, kind: type[Loss] = Loss) -> Loss:
    """Build a loss from its stored form.

    Args:
        stored: what :func:`loss_to_dict` returned, possibly damaged.
        kind: the class wanted; :class:`Loss` takes any family.

    Returns:
        The loss.

    Raises:
        LossFileError: if the form is damaged, newer than this version, or of another class.
    """
    _check_values(stored, MAX_DEPTH)
    if not isinstance(stored, dict):
        raise LossFileError("a JSON object", type(stored).__name__, "Store a loss with save_loss.")
    version = stored.get("format")
    if type(version) is int and version > FORMAT:
        raise LossFileError(
            f"stored format {FORMAT} or older", f"format {version}", "Update glo_lightning to read this loss."
        )
    if type(version) is not int or version != FORMAT:
        raise LossFileError(f"stored format {FORMAT}", _shorten(version), "Store a loss with save_loss.")
    if set(stored) != {"format", "family", "parameters"}:
        raise LossFileError(
            "the keys format, family and parameters", _shorten(sorted(stored)), "Store a loss with save_loss."
        )
    cls = _family(stored["family"])
    if not issubclass(cls, kind):
        raise LossFileError(f"a stored {kind.__name__}", cls.__name__, f"Call {cls.__name__}.from_dict.")
    return _build(cls, stored["parameters"])


def save_loss(loss: Loss, path: str | os.PathLike[str]) -> None:
    """Write a loss to a JSON file, whole or not at all.

    Args:
        loss: a loss of any family.
        path: the file; its folder must exist, and an older file is replaced.

    Raises:
        OSError: if the file cannot be written.
    """
    write_whole(Path(path), json.dumps(loss_to_dict(loss), indent=2, allow_nan=False) + "\n")


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
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise LossFileError(f"a file of at most {MAX_BYTES} bytes", "a larger one", "Check the path.")
    try:
        stored = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, LossFileError):
            raise
        raise LossFileError("a JSON file", f"{path}, which is not JSON", "Store a loss with save_loss.") from error
    return loss_from_dict(stored)


def _family(name: object) -> type[Loss]:
    families = Loss._families  # complete: the door of this package imports every family
    if not isinstance(name, str) or name not in families:
        raise LossFileError(
            f"one of the families {', '.join(sorted(families))}",
            _shorten(name),
            "Check the name, or import the module that defines the family first.",
        )
    return families[name]


def _build(cls: type[Loss], parameters: object) -> Loss:
    if not isinstance(parameters, dict):
        raise LossFileError("parameters as a JSON object", _shorten(parameters), "Store a loss with save_loss.")
    known = set(inspect.signature(cls).parameters)
    if not set(parameters) <= known:
        raise LossFileError(
            f"parameters out of {', '.join(sorted(known))}",
            _shorten(sorted(set(parameters) - known)),
            f"Remove what {cls.__name__} does not take.",
        )
    build: Callable[..., Loss] = cls
    try:
        return build(**{name: _revive(value) for name, value in parameters.items()})
    except (LossError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        if isinstance(error, LossFileError):
            raise
        raise LossFileError(
            f"parameters that {cls.__name__} accepts", f"ones it refuses: {error}", "Store a loss with save_loss."
        ) from error


def _revive(value: object) -> object:
    """Build the losses among a loss's parameters."""
    if isinstance(value, dict):
        return loss_from_dict(value)
    return [_revive(each) for each in value] if isinstance(value, list) else value


def _check_values(value: object, depth: int) -> None:
    """Refuse what JSON cannot hold, and what is nested deeper than any loss."""
    if depth == 0:
        raise LossFileError(f"at most {MAX_DEPTH} levels of nesting", "more", "Store a loss with save_loss.")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise LossFileError("names as keys", _shorten(key), "Store a loss with save_loss.")
            _check_values(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_values(inner, depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        _refuse_constant(repr(value))
    elif not isinstance(value, str | int | float | bool | None):
        raise LossFileError("JSON values", type(value).__name__, "Store a loss with save_loss.")


def _refuse_constant(name: str) -> NoReturn:
    raise LossFileError("finite numbers", name, "Search again: this loss diverged before it was stored.")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
