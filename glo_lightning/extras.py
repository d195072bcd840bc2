"""What some verbs and options need and a search does without: the extras of the installation."""

from collections.abc import Mapping
from importlib.util import find_spec

from glo_lightning.errors import EnvironmentMismatchError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "figures": ("matplotlib",),
    "frames": ("pandas",),
    "tensorboard": ("tensorboard",),
    "dashboard": ("optuna_dashboard", "matplotlib"),
    "grpc": ("grpc",),
    "onnx": ("onnx", "onnxscript"),
    "postgres": ("psycopg2",),
    "ray": ("ray",),
}
"""The modules that each extra brings."""


def is_installed(extra: str) -> bool:
    """Return whether all modules of an extra can be imported."""
    return not _missing(extra)


def require_extra(extra: str, purpose: str) -> None:
    """Refuse to begin what needs an extra that is not installed.

    Args:
        extra: one of ``EXTRAS``.
        purpose: what needs it, in a few words.

    Raises:
        EnvironmentMismatchError: if a module of it is missing; the cure installs it.

    Example:
        >>> require_extra("figures", "figures")
    """
    missing = _missing(extra)
    if missing:
        raise EnvironmentMismatchError(
            f"{' and '.join(missing)} for {purpose}", "none installed", f"{install_command(extra)}."
        )


def install_command(extra: str) -> str:
    """Return the command that installs an extra.

    Example:
        >>> install_command("figures")
        "pip install 'glo-lightning[figures]'"
    """
    return f"pip install 'glo-lightning[{extra}]'"


def _missing(extra: str) -> list[str]:
    return [module for module in EXTRAS[extra] if find_spec(module) is None]
