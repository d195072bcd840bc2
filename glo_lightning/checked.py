"""Dataclasses that are what their annotations say, or refuse to be: types, choices and ranges, checked in one place."""

import dataclasses
import difflib
import math
import numbers
import operator
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from glo_lightning.errors import SettingsError
from glo_lightning.options import option

SHOWN = 200
"""Characters of what was given that a refusal shows."""

LARGEST = 2**63
"""Whole numbers are smaller: beyond it, neither torch nor a database can hold them."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a setting may be, beyond its annotation; numbers of a tuple are checked one by one.

    Args:
        at_least: the least number.
        above: a number that it must be greater than.
        at_most: the greatest number.
        off: a number outside these limits that switches something off.
        names_folder: whether it is text that also names a folder, which slashes would end.
        cure: what to do about a value outside the limits, as a full sentence; by default what they are.
        section: where the help tells of it.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    off: float | None = None
    names_folder: bool = False
    cure: str = ""
    section: str = ""

    def allows(self, value: Any) -> bool:
        """Whether a number, or text, is within the limits."""
        if isinstance(value, str):
            return not self.names_folder or (value not in ("", ".", "..") and not re.search(r"[/\0]", value))
        if isinstance(value, bool) or not isinstance(value, int | float) or value == self.off:
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    def __str__(self) -> str:
        if self.names_folder:
            return "as a name without slashes"
        if self.at_most is not None:
            low = f"above {self.above:g}" if self.above is not None else f"from {self.at_least:g}"
            return f"{low} to {self.at_most:.10g}"
        bounds = f"above {self.above:g}" if self.above is not None else f"of {self.at_least:g} or more"
        return bounds if self.off is None else f"{bounds}, or {self.off:g}"


def setting(default: Any = dataclasses.MISSING, **limits: Any) -> Any:
    """Return a dataclass field with limits beside it.

    Args:
        default: of the field; what is mutable is copied.
        limits: arguments of :class:`Limits`.
    """
    metadata = {"limits": Limits(**limits)}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def limits_of(field: "dataclasses.Field[Any]") -> Limits:
    """Return the limits of a field, none if it was not made by :func:`setting`."""
    limits: Limits = field.metadata.get("limits", Limits())
    return limits


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """Return the default of a field; ``MISSING`` if it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


class Checked:
    """Base of dataclasses that check, when they are made, that their fields are what their annotations say.

    Lists become tuples, and whole numbers floats where floats are annotated; no other value is changed, and none that
    does not fit is kept. ``bool`` is not ``int``, and numbers are finite.

    Raises:
        SettingsError: if a value does not fit, with the nearest that does.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Baking(Checked):
        ...     mode: Literal["bake", "grill"] = "bake"
        ...     minutes: tuple[float, ...] = setting((30.0,), above=0)
        >>> Baking(minutes=[5, 10])
        Baking(mode='bake', minutes=(5.0, 10.0))
        >>> Baking(mode="gril")
        Traceback (most recent call last):
        glo_lightning.errors.SettingsError: Expected mode out of bake, grill, got 'gril'. Did you mean mode='grill'?
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, self.fitted(field.name, getattr(self, field.name)))

    @classmethod
    def fitted(cls, name: str, value: Any) -> Any:
        """Return a value as the field of that name keeps it.

        Raises:
            SettingsError: if it does not fit.
        """
        field = next(each for each in dataclasses.fields(cls) if each.name == name)  # type: ignore[arg-type]
        return fitted(name, value, hints_of(cls)[name], limits_of(field), default_of(field), cls.called)

    @staticmethod
    def called(name: str, *value: Any) -> str:
        """Return how errors call a field, alone or with a value."""
        return f"{name}={value[0]!r}" if value else name


def hints_of(cls: type) -> Mapping[str, Any]:
    """Return the annotations of a dataclass, inherited ones included."""
    return _hints_of(cls)  # type: ignore[arg-type]  # mypy takes classes for unhashable


_hints_of = cache(get_type_hints)


def fitted(
    name: str,
    value: Any,
    hint: Any,
    limits: Limits = Limits(),
    default: Any = dataclasses.MISSING,
    called: Callable[..., str] = option,
) -> Any:
    """Return a value as its annotation has it.

    Args:
        name: of the setting or argument.
        value: what was given.
        hint: what is annotated: ``bool``, ``int``, ``float``, ``str``, ``Path``, a ``Literal``, a dataclass, or tuples,
            dicts or unions of these.
        limits: of numbers and names.
        default: what leaving it out means, for the cure.
        called: returns how errors call it, alone or with a value.

    Raises:
        SettingsError: if it does not fit.
    """
    try:
        return _fit(value, hint, limits)
    except _UnfitError as unfit:
        whole = limits.cure if unfit.out_of_limits else ""
        raise SettingsError(
            f"{called(name)} {unfit.expected}",
            _SHOWN.repr(unfit.got),
            whole or _cure(name, value, unfit, default, called),
        ) from None


class _UnfitError(Exception):
    """What was expected in some place of a value, and what is there."""

    def __init__(self, expected: str, got: Any, choices: Iterable[Any] = (), out_of_limits: bool = False) -> None:
        self.expected = expected
        self.got = got
        self.choices = tuple(choices)
        self.out_of_limits = out_of_limits


def _cure(name: str, value: Any, unfit: _UnfitError, default: Any, called: Callable[..., str]) -> str:
    meant = nearest(unfit.got, unfit.choices) if isinstance(unfit.got, str) else None
    if meant is not None:
        whole = [meant if each is unfit.got else each for each in value] if isinstance(value, list | tuple) else meant
        return f"Did you mean {called(name, whole)}?"
    if default is dataclasses.MISSING:
        return f"Give {called(name)} such a value."
    if default is None or default in ((), {}):
        return f"Leave {called(name)} out."
    return f"Leave it out for {called(name, default)}."


def nearest(word: str, choices: Iterable[Any]) -> Any:
    """Return the choice that a word was probably meant to be; None if there is none.

    Example:
        >>> nearest("maximize", ("max", "min")), nearest("hyper_band", ("hyperband", "median")), nearest("x", ("max",))
        ('max', 'hyperband', None)
    """
    by_text = {str(choice).lower(): choice for choice in choices}
    word = word.lower()
    close = difflib.get_close_matches(word, by_text, 1)
    if not close and len(word) > 1:
        close = [text for text in by_text if word.startswith(text) or text.startswith(word)]
    return by_text[close[0]] if close else None


def _fit(value: Any, hint: Any, limits: Limits) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _fit_one_of(value, arguments, limits)
    if origin is Literal:
        return _fit_literal(value, arguments)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise _UnfitError(f"as a list of {described(arguments[0])}", value)
        return tuple(_fit(each, arguments[0], limits) for each in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _UnfitError("as names with values", value)
        return {_fit(key, arguments[0], Limits()): _fit(each, arguments[1], limits) for key, each in value.items()}
    fit = {bool: _as_bool, int: _as_int, float: _as_float, str: _as_text, Path: _as_path, NoneType: _as_none}.get(hint)
    if fit is None:
        if not isinstance(value, hint):
            raise _UnfitError(f"as {described(hint)}", value)
        return value
    value = fit(value)
    if not limits.allows(value):
        raise _UnfitError(str(limits), value, out_of_limits=True)
    return value


def _fit_one_of(value: Any, hints: tuple[Any, ...], limits: Limits) -> Any:
    unfit = None
    for hint in hints:
        try:
            return _fit(value, hint, limits)
        except _UnfitError as error:
            if error.out_of_limits or error.choices:
                unfit = error
    wanted = " or ".join(described(each) for each in hints if each is not NoneType)
    raise unfit or _UnfitError(f"as {wanted}", value)


def _fit_literal(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if isinstance(value, type(choice)) and not isinstance(value, bool) and value == choice:
            return choice
    raise _UnfitError(f"out of {', '.join(map(str, choices))}", value, choices)


def _as_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError("as true or false", value)
    return value


def _as_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise _UnfitError("as a whole number", value)
    if abs(whole := operator.index(value)) >= LARGEST:
        raise _UnfitError("as a whole number below 2^63", value)
    return whole


def _as_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or _is_huge(value) or not math.isfinite(value):
        raise _UnfitError("as a number", value)
    return float(value)


def _as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _UnfitError("as text", value)
    return value


def _as_path(value: Any) -> Path:
    if not isinstance(value, os.PathLike):
        raise _UnfitError("as a path", value)
    return Path(value)


def _as_none(value: Any) -> None:
    if value is not None:
        raise _UnfitError("as nothing", value)


def _is_huge(value: Any) -> bool:
    """Whether a value is a whole number that Python may refuse to write down."""
    return isinstance(value, int) and abs(value) >= LARGEST


class _Short(reprlib.Repr):
    """Writes what was given in a line, however much it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 100, 100

    def repr(self, x: Any) -> str:
        text = super().repr(x)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

    def repr_int(self, x: int, level: int) -> str:
        return "a whole number of too many digits" if _is_huge(x) else super().repr_int(x, level)


_SHOWN = _Short()


def described(hint: Any) -> str:
    """Return what a hint asks for, in words.

    Example:
        >>> described(int), described(tuple[Literal["y", "h"], ...]), described(float | None)
        ('a whole number', 'a list of y, h', 'a number')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(described(each) for each in arguments if each is not NoneType)
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list of {described(arguments[0])}"
    if origin is dict:
        return f"names with {described(arguments[1])}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    return words.get(hint, f"a {hint.__name__}")
