"""Folders and files that results are written to, and files of others that are read."""

import csv
import io
import json
import math
import os
import secrets
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glo_lightning.errors import SettingsError
from glo_lightning.options import option


def writable_folder(folder: str | Path) -> Path:
    """Create an output folder.

    Args:
        folder: created if it is missing.

    Returns:
        Its absolute path: the code of a model or data module may go to another folder.

    Raises:
        SettingsError: if it cannot be created or written to.
    """
    given, folder = folder, Path(folder).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"a writable output folder {str(given)!r}",
            error.strerror or str(error),
            f"Choose another {option('output_dir')}.",
        ) from None
    return folder


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a full disk or Ctrl-C leaves what was there before.

    Args:
        path: an older file is replaced; a device, such as ``/dev/stdout``, is written to.
        content: text becomes UTF-8.

    Raises:
        OSError: if it cannot be written.
    """
    content = content.encode() if isinstance(content, str) else content
    if path.parts[:2] == ("/", "dev"):
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))  # a link stays a link
    # Threads, processes, and machines that share the folder may write the same file at once.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:  # which names the partial file
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        partial.unlink(missing_ok=True)


def check_archive(path: Path) -> None:
    """Refuse a zip archive that takes more memory than its own size, before anything of it is unpacked.

    NumPy and torch write arrays as they are, so none of theirs is refused.

    Raises:
        ValueError: if it is no zip archive, or its contents are packed.
        OSError: if it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"no archive: {error}") from None
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("an archive that grows when it is unpacked")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON that every reader accepts, whole or not at all; NaN and infinities become null.

    Example:
        >>> path = getfixture("tmp_path") / "metrics.json"
        >>> write_json(path, {"val_loss": math.nan, "seeds": (1, 2)})
        >>> json.loads(path.read_text())
        {'val_loss': None, 'seeds': [1, 2]}

    Raises:
        OSError: if it cannot be written.
    """
    write_whole(path, json.dumps(_finite(values), indent=2, allow_nan=False) + "\n")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, whole or not at all; what a row does not have is left empty.

    Example:
        >>> path = getfixture("tmp_path") / "table.csv"
        >>> write_table(path, [{"loss": "a, b", "mean": 0.5}, {"loss": "c", "mean": None, "p": 1e-9}])
        >>> print(path.read_text().strip())
        loss,mean,p
        "a, b",0.5,
        c,,1e-09

    Raises:
        OSError: if it cannot be written.
    """
    content = io.StringIO()
    writer = csv.DictWriter(content, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_finite(row) for row in rows)
    write_whole(path, content.getvalue())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
