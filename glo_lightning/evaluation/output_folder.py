"""Where a verb's files go."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON values."""
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
