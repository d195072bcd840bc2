"""One study, one comparison or one training to an output folder."""

from pathlib import Path

from glo_lightning.errors import SettingsError
from glo_lightning.options import option
from glo_lightning.safe_yaml import read_yaml_file

NAMES = {"search": "study_name", "compare": "name", "train": "name"}
"""Verbs that leave their configuration in the folder, and the setting that says which study or training it is."""


def require_own(folder: Path, verb: str, name: str) -> None:
    """Refuse an output folder in which another study, comparison or training has left its configuration.

    Args:
        folder: where results go.
        verb: whose results they are.
        name: what the study, comparison or training is called.

    Raises:
        SettingsError: if it does; nothing in it has been touched.
    """
    path = folder / "config.yaml"
    content = read_yaml_file(path) if path.is_file() else None
    if not isinstance(content, dict):
        return
    for other, key in NAMES.items():
        stored = content.get(other)
        known = stored.get(key) if isinstance(stored, dict) else None
        if (verb not in content and other in content) or (other == verb and known not in (None, name)):
            again = f", or go on with {option(key, known)}" if other == verb else ""
            raise SettingsError(
                f"a folder of its own for {verb} {name!r}",
                f"{str(folder)!r} with the files of {other} {known or other!r}",
                f"Choose another {option('output_dir')}{again}.",
            )
