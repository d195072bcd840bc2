"""The files a search leaves behind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from glo_lightning.errors import GloError
from glo_lightning.figures import save_figure
from glo_lightning.files import writable_folder, write_json, write_table, write_whole
from glo_lightning.losses import Loss, save_loss
from glo_lightning.safe_yaml import read_yaml, read_yaml_file, write_yaml
from glo_lightning.search.records.plan import in_force
from glo_lightning.search.settings import SearchSettings, read_settings
from glo_lightning.search.storage.open import without_password

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PASSWORD = "# The storage's password is not kept: set PGPASSWORD or ~/.pgpass, or give the storage again.\n"


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
    def configured(
        self, settings: SearchSettings, whole: str | None = None, find: Callable[[], optuna.Study | None] = lambda: None
    ) -> Iterator[None]:
        """Write how the search is configured, and put back what was there if the search is refused.

        Args:
            settings: of the search, written unless the folder has a whole configuration.
            whole: that of the command line, with model, data and Trainer.
            find: returns the study that the configuration belongs to, once it is there.
        """
        before = self._config.read_bytes() if self._config.exists() else None
        if whole is not None:
            self._write_config(read_yaml(whole))
        elif "model" not in (self._read_config() or {}):
            self._write_config({"search": plain_settings(settings)})
        try:
            yield
        except GloError:
            if before is not None:
                write_whole(self._config, before)
            elif find() is None:
                self._config.unlink()
            raise
        except KeyboardInterrupt:
            with suppress(GloError):
                self.record_decisions(find())
            raise

    def record_decisions(self, study: optuna.Study | None) -> None:
        """Write what a study decided, so that the configuration repeats the search.

        That is how candidates were trained in place of ``auto``, and how many generations fitted in place of the time.
        """
        if study is None:
            return
        content = self._read_config()
        before, decided = content["search"], dict[str, Any]()
        if "evaluator" in study.user_attrs and before.get("evaluator") == "auto":
            decided["evaluator"] = study.user_attrs["evaluator"]
        asked = read_settings(before)
        settings = in_force(asked, study)
        if settings != asked:
            decided |= {"generations": settings.generations, "time_budget": None}
        if decided:
            self._write_config({**content, "search": {**before, **decided}})

    @property
    def _config(self) -> Path:
        return self.folder / "config.yaml"

    def _read_config(self) -> Any:
        return read_yaml_file(self._config) if self._config.exists() else None

    def _write_config(self, content: dict[str, Any]) -> None:
        search, head = content.get("search", {}), ""
        if search.get("storage") and without_password(search["storage"]) != search["storage"]:
            search["storage"], head = without_password(search["storage"]), PASSWORD
        write_whole(self._config, head + write_yaml(content))

    def write_trials(self, candidates: Sequence[Mapping[str, Any]]) -> None:
        """Write one row per candidate."""
        write_table(self.folder / "trials.csv", candidates)

    def write_loss(self, name: str, loss: Loss) -> Path:
        """Write a loss, readable by ``load_loss``."""
        path = self.folder / name
        save_loss(loss, path)
        return path

    def remove(self, name: str) -> None:
        """Remove a file of an earlier run, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write what is for programs to read."""
        write_json(self.folder / name, values)

    def write_figure(self, name: str, figure: "Figure") -> None:
        """Write a figure as PNG."""
        save_figure(figure, self.folder / name)


def plain_settings(settings: SearchSettings) -> dict[str, Any]:
    """Return settings, as Python users pass them, as a configuration file has them: lists, text for paths, seconds."""
    return {name: _plain(value) for name, value in asdict(settings).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value
