"""Lazy imports (PEP 562): a door of the package lists its names, and imports each when it is first asked for."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]], before: Callable[[], None] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``, which import names when they are asked for.

    The package repeats its names in ``__all__``, and imports them under ``TYPE_CHECKING`` for type checkers. A name
    must differ from those of the package's modules: once imported, a module would hide it.

    Args:
        package: its ``__name__``.
        homes: the names that each of its modules or subpackages provides.
        before: called before anything is imported, for example to refuse an installation that does not fit.

    Returns:
        The two functions, to be bound to ``__getattr__`` and ``__dir__`` in the package's ``__init__.py``.

    Example:
        >>> getattribute, listing = lazy_names("glo_lightning", {"errors": ["GloError"]})
        >>> getattribute("GloError")
        <class 'glo_lightning.errors.GloError'>
        >>> "GloError" in listing()
        True
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def getattribute(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if before is not None:
            before()
        return getattr(import_module(f"{package}.{home_of[name]}"), name)

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return getattribute, listing
