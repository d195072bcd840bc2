"""A configuration file that a verb shares with somebody's own LightningCLI: each reads what is its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glo_lightning.errors import SettingsError
from glo_lightning.safe_yaml import read_yaml_file, write_yaml

CLI = "cli"
"""Key of a file that says which CLI it is for."""


def split_file(path: str, section: str) -> tuple[list[str], str]:
    """Split a configuration file between a verb and another CLI.

    Args:
        path: of the file.
        section: the verb's.

    Returns:
        The verb's section as options; and what the other CLI is given in place of the path: the rest of the file as
        text, or the path where there is nothing of ours in it, or it cannot be read, which that CLI will explain.

    Raises:
        SettingsError: if the section holds no options.
    """
    try:
        content = read_yaml_file(Path(path))
    except SettingsError:
        return [], path
    if not isinstance(content, Mapping) or not content.keys() & {section, CLI}:
        return [], path
    own = {} if content.get(section) is None else content[section]
    if not isinstance(own, Mapping):
        raise SettingsError(f"a section {section} with options in {path}", repr(own), "Write them as name: value.")
    rest = {name: each for name, each in content.items() if name not in (section, CLI)}
    return [f"--{section}.{name}={_text(value)}" for name, value in own.items()], write_yaml(rest)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
