"""The stored form of a loss: JSON that can only become a loss or an error.

A stored loss is ``{"format": 1, "family": NAME, "parameters": {...}}``; the parameters are the arguments of
the family's constructor, and those that are losses or lists of losses are stored in the same form.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses.families import find_family, known_families

FORMAT = 1
MAX_DEPTH = 16
MAX_BITS = 64
MAX_LOSSES = 100

T = TypeVar("T")


def to_stored(family: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the stored form of a loss, JSON values only.

    Args:
        family: its name.
        parameters: that rebuild the loss, as JSON values.
    """
    return {"format": FORMAT, "family": family, "parameters": parameters}


def from_stored(stored: object, kind: type[T]) -> T:
    """Build a loss from its stored form.

    Args:
        stored: what :func:`to_stored` returned, possibly damaged.
        kind: the class wanted.

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


def _family(name: object) -> type:
    cls = find_family(name) if isinstance(name, str) else None
    if cls is None:
        raise LossFileError(
            f"one of the families {', '.join(known_families())}",
            _shorten(name),
            "Check the name, or import the module that defines the family first.",
        )
    return cls


def _build(cls: type[T], parameters: object) -> T:
    if not isinstance(parameters, dict):
        raise LossFileError("parameters as a JSON object", _shorten(parameters), "Store a loss with save_loss.")
    known = set(inspect.signature(cls).parameters)
    if not set(parameters) <= known:
        raise LossFileError(
            f"parameters out of {', '.join(sorted(known))}",
            _shorten(sorted(set(parameters) - known)),
            f"Remove what {cls.__name__} does not take.",
        )
    build: Callable[..., T] = cls
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
        return from_stored(value, object)
    if not isinstance(value, list):
        return value
    losses = sum(isinstance(each, dict) for each in value)
    if losses > MAX_LOSSES:
        raise LossFileError(f"a list of at most {MAX_LOSSES} losses", f"{losses}", "Check the file.")
    return [_revive(each) for each in value]


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
        refuse_constant(repr(value))
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise LossFileError(f"integers of at most {MAX_BITS} bits", f"one of {value.bit_length()}", "Check the file.")
    elif not isinstance(value, str | int | float | bool | None):
        raise LossFileError("JSON values", type(value).__name__, "Store a loss with save_loss.")


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and infinity, which JSON does not have but Python writes and reads."""
    raise LossFileError("finite numbers", name, "Search again: this loss diverged before it was stored.")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
