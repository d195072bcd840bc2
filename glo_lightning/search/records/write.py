"""The files a search leaves behind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from glo_lightning.errors import GloError
from glo_lightning.figures import save_figure
from glo_lightning.files import writable_folder, write_json, write_whole
from glo_lightning.losses import Loss, save_loss
from glo_lightning.search.settings import SearchSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SearchOutput:
    """The output folder: the winner, the configuration, the study, tables and figures.

    Args:
        folder: created if missing.

    Raises:
        SettingsError: if the folder cannot be created or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = writable_folder(folder)

    @classmethod
    def of(cls, settings: SearchSettings) -> "SearchOutput":
        """Return the folder a search writes to: as set, or ``runs/<study_name>``."""
        return cls(settings.folder)

    @property
    def storage_url(self) -> str:
        """The default storage of a study: SQLite in this folder."""
        return f"sqlite:///{self.folder / 'study.db'}"

    @contextmanager
    def configured(self, settings: SearchSettings, whole: str | None = None) -> Iterator[None]:
        """Write how the search is configured, and put back what was there if the search is refused.

        Args:
            settings: of the search, written unless the folder has a whole configuration.
            whole: that of the command line, with model, data and Trainer.
        """
        path = self.folder / "config.yaml"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if whole is not None:
            write_whole(path, whole)
        elif "model" not in (yaml.safe_load(before) or {}):
            write_whole(path, yaml.safe_dump({"search": _plain(asdict(settings))}, sort_keys=False))
        try:
            yield
        except GloError:
            if before:
                write_whole(path, before)
            raise

    def write_trials(self, frame: pd.DataFrame) -> None:
        """Write one row per candidate."""
        write_whole(self.folder / "trials.csv", frame.to_csv(index=False))

    def write_best_loss(self, loss: Loss) -> Path:
        """Write the winner, readable by ``load_loss``."""
        path = self.folder / "best_loss.json"
        save_loss(loss, path)
        return path

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write what is for programs to read."""
        write_json(self.folder / name, values)

    def write_figure(self, name: str, figure: "Figure") -> None:
        """Write a figure as PNG."""
        save_figure(figure, self.folder / name)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn tuples into lists and paths, which Python users pass where text is meant, into text."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
