"""Loss families by name: the only classes that a stored loss can become.

Names come from a table and from classes that are defined already, never from an import path, so a stranger's file
can do no more than describe a loss.
"""

import importlib

from glo_lightning.errors import LossError

MODULES = {
    "absolute_error": "glo_lightning.losses.robust",
    "active_passive": "glo_lightning.losses.active_passive",
    "baikal": "glo_lightning.losses.baikal",
    "baikal_cma": "glo_lightning.losses.baikal",
    "class_aware": "glo_lightning.losses.class_aware",
    "cross_entropy": "glo_lightning.losses.classic",
    "drive": "glo_lightning.losses.drive",
    "focal": "glo_lightning.losses.classic",
    "heads": "glo_lightning.losses.heads",
    "huber": "glo_lightning.losses.robust",
    "log_cosh": "glo_lightning.losses.robust",
    "mean_squared_error": "glo_lightning.losses.classic",
    "poly": "glo_lightning.losses.classic",
    "quantile": "glo_lightning.losses.robust",
    "residual": "glo_lightning.losses.residual",
    "scaled": "glo_lightning.losses.scaled",
    "sigmoid": "glo_lightning.losses.sigmoid",
    "standardized": "glo_lightning.losses.standardized",
    "taylor": "glo_lightning.losses.taylor",
    "tree": "glo_lightning.losses.tree",
    "tversky": "glo_lightning.losses.tversky",
    "two_sided": "glo_lightning.losses.two_sided",
}
"""Where the package's own families are defined; they are imported when a stored loss needs them."""

_classes: dict[str, type] = {}


def register(name: str, cls: type) -> None:
    """Give a family its name.

    Raises:
        LossError: if another class has it.
    """
    taken = _classes.get(name)
    if taken is None:
        owner, own = MODULES.get(name, cls.__module__), cls.__module__
    else:  # the same class again, where a notebook's cell is run twice, is welcome
        owner, own = taken.__qualname__, cls.__qualname__
    if owner != own:
        raise LossError(
            "a family name nobody uses yet",
            f"{name!r}, which {owner} has",
            f"Give {cls.__qualname__} another family name.",
        )
    _classes[name] = cls


def known_families() -> list[str]:
    """Return the names that a stored loss may have."""
    return sorted(MODULES.keys() | _classes.keys())


def find_family(name: str) -> type | None:
    """Return the class of a family; None if there is none of this name."""
    if name in MODULES:
        importlib.import_module(MODULES[name])
    return _classes.get(name)
