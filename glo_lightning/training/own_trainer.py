"""A new Trainer for every training, made by a function of somebody's own, with some arguments other than it gives."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from lightning.pytorch import Trainer

from glo_lightning.errors import SettingsError

MakesTrainer = Callable[[], Trainer]
"""A function that makes a new Trainer whenever it is called; ``functools.partial(Trainer, max_epochs=3)`` is one."""

Arguments = Mapping[str, Any]

CURE = "Build it in the function: def make_trainer(): return Trainer(max_epochs=3)."


def arguments_of(make: MakesTrainer) -> dict[str, Any]:
    """Return the arguments that a function gives to its Trainer, of which nothing is built yet.

    Raises:
        SettingsError: if it makes none.

    Example:
        >>> arguments_of(lambda: Trainer(max_epochs=3))
        {'max_epochs': 3}
    """
    told: list[Arguments] = []

    def stop(arguments: Arguments) -> Arguments:
        told.append(arguments)
        raise _Told

    with suppress(_Told), _trainers_with(stop):
        make()
    if not told:
        raise SettingsError("a function that makes a new Trainer", "one that makes none", CURE)
    return dict(told[0])


def made_by(make: MakesTrainer, change: Callable[[Arguments], Arguments]) -> Trainer:
    """Return the Trainer that a function makes, with its arguments changed.

    Raises:
        SettingsError: if it returns anything but a Trainer that it made just now.

    Example:
        >>> made_by(lambda: Trainer(max_epochs=3, logger=False), lambda given: {**given, "max_epochs": 7}).max_epochs
        7
    """
    made: list[Arguments] = []

    def changed(arguments: Arguments) -> Arguments:
        made.append(arguments)
        return change(arguments)

    with _trainers_with(changed):
        trainer = make()
    if not isinstance(trainer, Trainer) or not made:
        got = "one that was made before" if isinstance(trainer, Trainer) else f"a {type(trainer).__name__}"
        raise SettingsError("a function that returns a new Trainer of lightning.pytorch", got, CURE)
    return trainer


class _Told(Exception):  # noqa: N818  # no error: it ends a function before it builds
    """The arguments of a Trainer are known."""


@contextmanager
def _trainers_with(change: Callable[[Arguments], Arguments]) -> Iterator[None]:
    """Change the arguments of all Trainers that are built meanwhile: once it is built, none can tell what was asked."""
    build = Trainer.__init__
    names = inspect.signature(build)

    @functools.wraps(build)
    def build_changed(self: Trainer, *args: Any, **kwargs: Any) -> None:
        _, *given = names.bind(self, *args, **kwargs).arguments.items()
        build(self, **change(dict(given)))

    Trainer.__init__ = build_changed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer.__init__ = build  # type: ignore[method-assign]
