"""The configuration that a search leaves in its output folder."""

from dataclasses import dataclass
from pathlib import Path

from optuna.storages import BaseStorage

from glo_lightning.cli.shared_file import CLI
from glo_lightning.errors import SettingsError, StudyError, hide_passwords
from glo_lightning.safe_yaml import read_yaml_file
from glo_lightning.search.settings import SearchSettings, read_settings
from glo_lightning.search.storage.open import open_storage, storage_file


@dataclass(frozen=True)
class Configuration:
    """The ``config.yaml`` of a search.

    Args:
        folder: where it lies.
        settings: of the last run.
        shown: its text, a password in the storage's address hidden.
        names_a_model: whether it also names model, data and Trainer, so that the command line can repeat the search.
        cli: the LightningCLI that it is for; empty for none but ours.
    """

    folder: Path
    settings: SearchSettings
    shown: str
    names_a_model: bool
    cli: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Configuration":
        """Read the configuration of an output folder.

        Raises:
            StudyError: if there is none, or it is damaged.
            SettingsError: if its settings do not fit each other.
        """
        path = folder / "config.yaml"
        if not path.is_file():
            raise StudyError(
                "the output folder of a search",
                f"{str(folder)!r} without a config.yaml",
                "Name a folder such as runs/search; a search creates it when it begins.",
            )
        try:
            content = read_yaml_file(path)
        except SettingsError as error:
            raise StudyError(error.expected, error.got, "Restore the file.") from None
        if isinstance(content, dict) and "search" not in content:
            raise StudyError(
                "the output folder of a search", f"{str(folder)!r} of something else", "Name a search's folder."
            )
        if not isinstance(content, dict) or not isinstance(content["search"], dict):
            raise StudyError(f"the settings of a search in {path}", "something else", "Restore the file.")
        settings = read_settings(content["search"])
        cli = str(content.get(CLI, ""))
        return cls(folder, settings, hide_passwords(path.read_text(encoding="utf-8")), "model" in content, cli)

    @property
    def storage_url(self) -> str:
        """The storage of the search's studies."""
        return self.settings.storage or f"sqlite:///{self.folder / 'study.db'}"

    @property
    def has_storage(self) -> bool:
        """Whether that storage is there, as far as one can tell without opening it."""
        file = storage_file(self.storage_url)
        return self.storage_url != "memory" and (file is None or file.is_file())

    def open_storage(self) -> BaseStorage:
        """Open the storage of the search's studies to look at them; nothing is created.

        Raises:
            StudyError: if it was in memory, is gone, or cannot be reached.
        """
        url = self.storage_url
        if not self.has_storage:
            raise StudyError(
                "a search whose study can be read from outside",
                f"storage {url!r}, which is not there",
                "Start from the working directory of the search; a storage in memory ended with it.",
            )
        return open_storage(url, existing=True)
