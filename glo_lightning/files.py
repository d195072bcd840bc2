"""Folders and files that results are written to."""

import secrets
import tempfile
from pathlib import Path

from glo_lightning.errors import SettingsError


def writable_folder(folder: str | Path, option: str) -> Path:
    """Create an output folder.

    Args:
        folder: created if it is missing.
        option: of the command line that names another, for the cure.

    Raises:
        SettingsError: if it cannot be created or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"a writable output folder {str(folder)!r}", error.strerror or str(error), f"Choose another with {option}."
        ) from None
    return folder


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; an older one is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    # Threads, processes, and machines that share the folder may write the same file at once.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
