"""Configuration files that start from others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from glo_lightning.checked import nearest
from glo_lightning.errors import SettingsError
from glo_lightning.safe_yaml import read_yaml, read_yaml_file

MAX_FILES = 100
"""Files that a configuration may be made of."""


EMBEDDED = Path(__file__).parents[1] / "configs"
"""Configurations that come with the package."""


class ConfigFileWithBase(ActionConfigFile):
    """A YAML file, or the name of one that comes with the package.

    Its key ``base`` names one or more files to read before it, relative to its own folder.
    """

    @staticmethod
    def apply_config(parser: ArgumentParser, cfg: Namespace, dest: str, value: Any) -> None:
        """Read the file's bases, then the file; what comes later changes what came before."""
        for file in with_bases(value):
            ActionConfigFile.apply_config(parser, cfg, dest, file)


def with_bases(file: str) -> list[str]:
    """Return a configuration file's bases, the bases of those included, and the file itself at the end.

    Args:
        file: the file; the name of one that comes with the package, such as digits_noisy_drive; or text for one,
            which has no bases.

    Raises:
        SettingsError: if a file is missing, no YAML, or its own base.
    """
    path = Path(file)
    if not path.is_file():
        if isinstance(read_yaml(file), dict):
            return [file]
        path = _embedded(file) or path
    files: list[str] = []
    _collect(path, (), files)
    return files


def _embedded(name: str) -> Path | None:
    """Return the configuration of the package with this name, without folder or ending; None if there is none.

    Raises:
        SettingsError: if one has nearly this name.
    """
    names = {path.stem: path for path in EMBEDDED.glob("*.yaml")}
    if name not in names and (meant := nearest(name, names)):
        raise SettingsError(f"a file, or one of {', '.join(sorted(names))}", repr(name), f"Did you mean {meant}?")
    return names.get(name)


def _collect(path: Path, readers: Sequence[Path], files: list[str]) -> None:
    if path.resolve() in readers:
        raise SettingsError(
            "configurations that start from others", f"{path}, which is its own base", "Break the circle."
        )
    content = read_yaml_file(path)
    bases = content.get("base") or [] if isinstance(content, dict) else []
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise SettingsError(
            f"base in {path} as one or more files", repr(bases), "List them: base: [one.yaml, two.yaml]."
        )
    for base in bases:
        _collect(path.parent / base, (*readers, path.resolve()), files)
    if len(files) == MAX_FILES:
        raise SettingsError(f"at most {MAX_FILES} files", f"more that {files[-1]} starts from", "Name fewer bases.")
    files.append(str(path))
