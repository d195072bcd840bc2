"""Configuration files that start from others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]


class ConfigFileWithBase(ActionConfigFile):
    """A YAML file whose key ``base`` names one or more files to read before it, relative to its own folder."""

    @staticmethod
    def apply_config(parser: ArgumentParser, cfg: Namespace, dest: str, value: Any) -> None:
        """Read the file's bases, then the file; what comes later changes what came before."""
        for file in with_bases(value):
            ActionConfigFile.apply_config(parser, cfg, dest, file)


def with_bases(file: str, readers: Sequence[Path] = ()) -> list[str]:
    """Return a configuration file's bases, the bases of those included, and the file itself at the end.

    Args:
        file: the file; anything else, text for one, has no bases.
        readers: the files that named this one as a base.

    Raises:
        TypeError: if a file is no YAML, or is its own base. The parser turns it into a message.
    """
    path = Path(file)
    if not path.is_file():
        return [file]
    if path.resolve() in readers:
        raise TypeError(f"{file} is its own base")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TypeError(f"{file} is not YAML: {error}") from error
    bases = content.get("base", []) if isinstance(content, dict) else []
    files = []
    for base in [bases] if isinstance(bases, str) else bases:
        files += with_bases(str(path.parent / base), (*readers, path.resolve()))
    return [*files, file]
