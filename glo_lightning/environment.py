"""Notices packages that are installed but do not fit together."""

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
