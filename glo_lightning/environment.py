"""What is installed here: which versions, and whether they fit together."""

import os
import platform
from importlib.metadata import version

from glo_lightning import __version__
from glo_lightning.errors import EnvironmentMismatchError


def require_torchvision() -> None:
    """Import torchvision, or say why it cannot be imported beside this torch.

    Lightning pulls torchvision in through torchmetrics, so a torchvision built for another torch breaks
    ``import lightning`` with a message that names neither. Every door that leads to Lightning calls this first.

    Raises:
        EnvironmentMismatchError: if torchvision is missing or was built for another torch.

    Example:
        >>> require_torchvision()
    """
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        raise EnvironmentMismatchError(
            "torch and torchvision builds of one kind",
            f"a torchvision that this torch cannot load ({error})",
            "Install both from the same place in one command: pip install --force-reinstall torch torchvision, "
            "with --index-url https://download.pytorch.org/whl/cpu for machines without a GPU.",
        ) from error


PACKAGES = ("torch", "lightning", "torchmetrics", "torchvision", "optuna", "cmaes", "numpy")
"""What the outcome of a search depends on."""


def describe_environment() -> dict[str, str]:
    """Return the versions and the machine, by name, so that a search can say later what it ran with.

    Example:
        >>> describe_environment()["Python"].startswith("3.")
        True
    """
    import torch

    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return {
        "Python": platform.python_version(),
        "glo_lightning": __version__,
        **{package: version(package) for package in PACKAGES},
        "system": platform.platform(terse=True),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "GPUs": ", ".join(gpus) or "none",
    }
