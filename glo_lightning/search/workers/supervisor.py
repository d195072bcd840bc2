"""The parent of a search's workers: has them search, and shows how far they are."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import optuna
from optuna.storages import BaseStorage
from rich.console import Console

from glo_lightning.compare.shared_trainings import TOTAL
from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.progress import Progress, Trainings, trainings_ahead
from glo_lightning.search.records.candidates import BASELINE_SCORE
from glo_lightning.search.records.verdict import PARTIAL, PURPOSES
from glo_lightning.search.samplers.fixed import read_verdicts
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import FINGERPRINT, is_rival, quiet_optuna, tuned_expression
from glo_lightning.search.tasks import full_epochs
from glo_lightning.search.workers.launch import run_workers, study_names
from glo_lightning.search.workers.work import take_part
from glo_lightning.training.placement import Placement, place_all
from glo_lightning.training.task import Task, max_epochs

LOOK_SECONDS = 2.0
"""Time between two looks at the study, for progress."""


def supervise(
    settings: SearchSettings, tasks: Mapping[str, Task], placement: Placement, progress: Progress, began: float
) -> None:
    """Have workers explore and judge, until the verdict is in the study.

    Args:
        settings: of the search, with a storage.
        tasks: what is trained, by name; must be rebuildable.
        placement: of one training.
        progress: told of every generation.
        began: when the search began or was gone on with, in seconds since the epoch.

    Raises:
        SettingsError: if the workers cannot be had.
        GloError: what a worker refused to go on with.
        KeyboardInterrupt: after Ctrl-C, when the workers have given their candidates back.
    """
    epochs = max_epochs(next(iter(tasks.values())))
    length = full_epochs(settings, epochs) / epochs
    observer = _Observer(settings, open_storage(settings.storage), progress, length)
    run_workers(settings, tasks, placement, functools.partial(work, began), observer.look)
    with quiet_optuna():
        observer.update()


def work(began: float, settings: SearchSettings, tasks: Mapping[str, Task], console: Console) -> None:
    """Take part in a search from a process of its own."""
    placement, silence = place_all(tasks), Progress(console)
    if placement.ranks == 1 or placement.external:
        take_part(settings, open_storage(settings.storage), tasks, placement, silence, began)
    else:  # a Ray task that was given several GPUs
        alone = replace(settings, launcher="local", workers=1, worker_gpus=None)
        supervise(alone, tasks, placement, silence, began)


class _Observer:
    """Looks at the studies of a search from outside of its workers.

    Args:
        settings: of the search.
        storage: of its studies.
        progress: where what is new is announced.
        length: of a full training, in partial ones.
    """

    def __init__(self, settings: SearchSettings, storage: BaseStorage, progress: Progress, length: float) -> None:
        self._settings = settings
        self._storage = storage
        self._progress = progress
        self._announcer: GenerationAnnouncer | None = None
        self._length = length
        # What earlier runs did is not told again; what this one does is, however quick it was.
        self._known = {settings.study_name, *self._study_names()}
        self._purposes = 0
        self._looked = 0.0

    def look(self) -> None:
        """Announce what is new, every now and then."""
        if self._progress.is_visible and time.monotonic() - self._looked > LOOK_SECONDS:
            self.update()
            self._looked = time.monotonic()

    def update(self) -> None:
        """Announce what is new."""
        if self._announcer is None and self._progress.is_visible:
            self._begin()
        if self._announcer is None:
            return
        self._announcer.update()
        lists: dict[str, list[optuna.Study]] = {}
        for name in sorted(set(self._study_names()) - self._known):
            purpose = name.split("/")[1]
            if purpose in PURPOSES:
                lists.setdefault(purpose, []).append(optuna.load_study(study_name=name, storage=self._storage))
            elif tuned_expression(name):
                self._known.add(name)
                self._progress.note(f"tuning coefficients of {tuned_expression(name)}")
            elif is_rival(name):
                self._known.add(name)
                self._progress.note("tuning the winner's rival")
        purposes = [purpose for purpose in PURPOSES if purpose in lists]
        for purpose in purposes[max(0, self._purposes - 1) :]:
            self._follow(purpose, lists[purpose])
        self._purposes = len(purposes)

    def _follow(self, purpose: str, lists: Sequence[optuna.Study]) -> None:
        done = sum(len(read_verdicts(each)) for each in lists)
        total = sum(each.user_attrs.get(TOTAL, 0) for each in lists)
        length = 1.0 if purpose in PARTIAL else self._length
        ahead = trainings_ahead(self._settings, self._length, purpose)
        self._progress.trainings(Trainings(purpose, done, total, length, ahead))

    def _begin(self) -> None:
        try:
            study = optuna.load_study(study_name=self._settings.study_name, storage=self._storage)
        except KeyError:
            return  # no worker has come that far
        # Candidates begin when the baseline has been measured, or could not be.
        has_begun = BASELINE_SCORE in study.user_attrs or study.get_trials(deepcopy=False)
        if FINGERPRINT in study.user_attrs and has_begun:
            self._announcer = GenerationAnnouncer.of_search(study, self._settings, self._progress, self._length)
            self._announcer.begin()

    def _study_names(self) -> list[str]:
        return study_names(self._storage, self._settings.study_name)
