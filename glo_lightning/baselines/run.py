"""From the settings of a search to what is known before it, in the folder of the search."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from glo_lightning.baselines.advice import Advice, advise
from glo_lightning.baselines.next_step import BEST_BASELINE
from glo_lightning.baselines.tables import headroom_lines, leaderboard_table
from glo_lightning.baselines.trainings import RATES, Trained, train_baselines
from glo_lightning.cli.own_folder import require_own
from glo_lightning.compare.rivals import BASELINES, OWN
from glo_lightning.errors import SettingsError
from glo_lightning.files import writable_folder, write_json
from glo_lightning.losses import save_loss
from glo_lightning.options import option
from glo_lightning.search.exploration.start import BASELINES_FILE
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import open_storage, storage_file
from glo_lightning.search.storage.study import FINGERPRINT, find_study
from glo_lightning.search.workers.interruption import interruptible
from glo_lightning.telling import shown
from glo_lightning.training.task import Task
from glo_lightning.training.traces import no_trace
from glo_lightning.words import place, say


@dataclass(frozen=True)
class Baselines:
    """What is known before a search, and what it says about one.

    Args:
        settings: of the search, under the name that it should have.
        trained: the leaderboard, and what it is about.
        advice: what it says.
        folder: where the files are.
        next: what to do next.
    """

    settings: SearchSettings
    trained: Trained
    advice: Advice
    folder: Path
    next: str

    def render(self, console: Console) -> None:
        """Print the leaderboard and the advice."""
        own = self.trained.task.probe.own_loss
        name = OWN if own else None if own is None else BASELINES[self.settings.outputs]
        console.print(leaderboard_table(self.trained.leaderboard, self.advice.epochs, name))
        for line in headroom_lines(self.advice):
            say(console, line)
        say(console, "\n" + " ".join(self.advice.sentences))
        say(console, f"Files in {place(self.folder)}. Next:\n")
        console.print(f"  {self.next}", highlight=False, markup=False, soft_wrap=True)

    def __str__(self) -> str:
        console = Console(width=80, file=io.StringIO(), highlight=False)
        with console.capture() as capture:
            self.render(console)
        return capture.get()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        board = self.trained.leaderboard
        return {
            "study_name": self.settings.study_name,
            "monitor": board.monitor.name,
            "mode": board.monitor.mode,
            "outputs": self.settings.outputs,
            "epochs": board.epochs,
            "learning_rates": RATES,
            "trainings": board.trainings,
            "seconds_per_training": board.seconds,
            "class_counts": self.trained.class_counts,
            "rank_correlations": board.rank_correlations(),
            **self.advice.to_dict(),
            "rows": [row.to_dict() for row in board.rows],
            "next": self.next,
        }


@no_trace()
def run_baselines(
    settings: SearchSettings,
    task: Task,
    tell_next: Callable[[Trained, Advice, SearchSettings], str],
) -> Baselines:
    """Train what is known and is not trained yet, and write what it says about a search.

    Args:
        settings: of the search that might follow.
        task: what is trained, on training and validation data.
        tell_next: says what to do next, of the settings under the name that the search should have.

    Returns:
        The leaderboard and the advice.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; finished trainings are kept.
    """
    settings = under_free_name(settings)
    require_own(settings.folder, "search", settings.study_name)
    folder = writable_folder(settings.folder)
    stored = replace(settings, storage=settings.storage or f"sqlite:///{folder / 'baselines.db'}")
    with interruptible(), shown(settings.verbosity) as bar:
        trained = train_baselines(stored, task, bar)
    advice = advise(settings, trained)
    best = advice.best.member.loss
    if best is not None:
        save_loss(best, folder / BEST_BASELINE)
    baselines = Baselines(settings, trained, advice, folder, tell_next(trained, advice, settings))
    write_json(folder / BASELINES_FILE, baselines.to_dict())
    return baselines


def under_free_name(settings: SearchSettings) -> SearchSettings:
    """Return the settings, under another name if a search of that name has begun elsewhere than at baselines.

    A search cannot be told to begin elsewhere when it has begun, so the next one needs a name of its own.

    Raises:
        SettingsError: if the output folder is given, which only the search that has begun may write to.
    """
    storage = settings.storage or f"sqlite:///{settings.folder / 'study.db'}"
    file = storage_file(storage)
    is_there = storage != "memory" and (file is None or file.is_file())
    study = find_study(settings.study_name, open_storage(storage, existing=True)) if is_there else None
    if study is None or study.user_attrs.get(FINGERPRINT, {}).get("start") == "baselines":
        return settings
    name = f"{settings.study_name}_baselines"
    if settings.output_dir is not None:
        raise SettingsError(
            f"a folder without a search {settings.study_name!r} that has begun without baselines",
            repr(str(settings.output_dir)),
            f"Add {option('study_name', name)}, and another {option('output_dir')}.",
        )
    return replace(settings, study_name=name)
