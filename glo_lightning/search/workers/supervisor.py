"""The parent of a search's workers: starts them, shows their progress, gives back what dead ones held."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from glo_lightning.compare.shared_trainings import TOTAL
from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.options import option, options_of, section
from glo_lightning.search.exploration.announcer import GenerationAnnouncer
from glo_lightning.search.progress import Progress, Trainings, trainings_ahead
from glo_lightning.search.records.candidates import BASELINE_SCORE
from glo_lightning.search.records.verdict import PARTIAL, PURPOSES
from glo_lightning.search.samplers.fixed import read_verdicts
from glo_lightning.search.samplers.worker_identity import give_back_trials
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import FINGERPRINT, is_rival, quiet_optuna, tuned_expression
from glo_lightning.search.tasks import full_epochs
from glo_lightning.search.workers.local import DeadWorker, LocalLauncher
from glo_lightning.search.workers.ray import RayLauncher
from glo_lightning.search.workers.work import take_part
from glo_lightning.telling import shown
from glo_lightning.training.placement import Placement, place_all, share_gpus, visible_gpus
from glo_lightning.training.task import Task, max_epochs

MAX_DEATHS = 10
"""Deaths of workers without a single finished training in between, after which the search gives up."""

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
    if settings.storage == "memory":
        raise SettingsError(
            "a storage that several processes share", "memory", f"Leave {option('storage')} out to use SQLite."
        )
    if placement.nodes > 1:
        raise SettingsError(
            "ranks on several machines to be started by torchrun or srun",
            f"num_nodes={placement.nodes} and neither of them",
            "Start the same command with torchrun on every machine.",
        )
    rebuilds = {name: task.rebuild for name, task in tasks.items() if task.rebuild is not None}
    if len(rebuilds) < len(tasks):
        raise SettingsError("a task that other processes can rebuild", "one without rebuild", "Use python_task.")
    epochs = max_epochs(next(iter(tasks.values())))
    length = full_epochs(settings, epochs) / epochs
    observer = _Observer(settings, open_storage(settings.storage), progress, length)
    launcher = _make_launcher(
        settings, functools.partial(work, settings, rebuilds, section(), began), placement, observer
    )
    with quiet_optuna():
        launcher.run(observer.look)
        observer.update()


def work(settings: SearchSettings, rebuilds: Mapping[str, Callable[[], Task]], door: str, began: float) -> None:
    """Take part in a search from a process of its own; errors call settings as they do at the door it came through."""
    with options_of(door), shown("quiet") as console:  # the parent tells
        tasks = {name: rebuild() for name, rebuild in rebuilds.items()}
        placement, silence = place_all(tasks), Progress(console)
        if placement.ranks == 1 or placement.external:
            take_part(settings, open_storage(settings.storage), tasks, placement, silence, began)
        else:  # a Ray task that was given several GPUs
            alone = replace(settings, launcher="local", workers=1, worker_gpus=None)
            supervise(alone, tasks, placement, silence, began)


def _make_launcher(
    settings: SearchSettings, work: Callable[[], None], placement: Placement, observer: "_Observer"
) -> LocalLauncher | RayLauncher:
    if settings.launcher == "ray":
        gpus = len(placement.gpus) if settings.worker_gpus is None else settings.worker_gpus
        on_file = str(settings.storage).startswith("sqlite")
        return RayLauncher(work, settings.workers, settings.threads * placement.ranks, gpus, one_machine=on_file)
    threads = {"OMP_NUM_THREADS": str(settings.threads)}
    shares = share_gpus(settings.workers, placement, visible_gpus())
    environments = [threads if own is None else {**threads, "CUDA_VISIBLE_DEVICES": own} for own in shares]
    return LocalLauncher(work, environments, placement.ranks, observer.give_back, observer.release)


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
        self._deaths = 0
        self._finished = 0

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

    def give_back(self, dead: DeadWorker) -> None:
        """Give a dead worker's candidates back.

        Raises:
            StudyError: if workers die without getting anything done.
        """
        finished = 0
        for name in self._study_names():
            study = optuna.load_study(study_name=name, storage=self._storage)
            give_back_trials(study, dead.leader, dead.reason, "failed" if dead.blame else "died")
            finished += len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))
        self._deaths = 1 if finished > self._finished else self._deaths + 1
        self._finished = finished
        if self._deaths > MAX_DEATHS:
            raise StudyError(
                "workers to live",
                f"{self._deaths} deaths without a finished training between them, the last by {dead.reason}",
                "Look for a lack of memory, or for what killed them; finished candidates are kept.",
            )

    def release(self, leader: int) -> None:
        """Give back the candidates of a worker that was asked to end, and did not in time."""
        with suppress(StudyError):  # if the storage fails, too, silence will tell
            for name in self._study_names():
                study = optuna.load_study(study_name=name, storage=self._storage)
                give_back_trials(study, leader, "interrupted", "released")

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
        """Return the names of the search's study and of those beside it."""
        names = optuna.get_all_study_names(self._storage)
        return [name for name in names if name.partition("/")[0] == self._settings.study_name]
