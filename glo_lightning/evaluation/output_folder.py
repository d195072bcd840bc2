"""Where a verb's files go."""

import tempfile
from pathlib import Path

from glo_lightning.errors import SettingsError


def writable_folder(output_dir: str | Path) -> Path:
    """Create the output folder.

    Raises:
        SettingsError: if it cannot be created or written to.
    """
    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"a writable output folder {str(folder)!r}", error.strerror or str(error), "Choose another output_dir."
        ) from None
    return folder
