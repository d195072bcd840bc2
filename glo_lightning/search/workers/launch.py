"""Workers that do the same work: started as the settings say, and what dead ones held is given back."""

import functools
from collections.abc import Callable, Mapping
from contextlib import suppress

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from rich.console import Console

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.options import option, options_of, section
from glo_lightning.search.samplers.worker_identity import give_back_trials
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import quiet_optuna
from glo_lightning.search.workers.local import DeadWorker, LocalLauncher
from glo_lightning.search.workers.ray import RayLauncher
from glo_lightning.telling import shown
from glo_lightning.training.placement import Placement, share_gpus, visible_gpus
from glo_lightning.training.task import Task

Work = Callable[[SearchSettings, Mapping[str, Task], Console], None]
"""What a worker does: with the settings, with what is trained, and with a console for what nobody needs to see."""

MAX_DEATHS = 10
"""Deaths of workers without a single finished training in between, after which the search gives up."""


def run_workers(
    settings: SearchSettings, tasks: Mapping[str, Task], placement: Placement, work: Work, look: Callable[[], None]
) -> None:
    """Have as many workers as the settings say do the same work, until all have done it.

    Args:
        settings: of the search, with a storage.
        tasks: what is trained, by name; must be rebuildable.
        placement: of one training.
        work: what each does; importable, as workers import it.
        look: called about twice a second.

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
    launcher = _make_launcher(
        settings, functools.partial(_in_own_process, work, settings, rebuilds, section()), placement
    )
    with quiet_optuna():
        launcher.run(look)


def _in_own_process(
    work: Work, settings: SearchSettings, rebuilds: Mapping[str, Callable[[], Task]], door: str
) -> None:
    """Do a worker's work; errors call settings as they do at the door that the parent came through."""
    with options_of(door), shown("quiet") as console:  # the parent tells, and is sent what is more than that
        work(settings, {name: rebuild() for name, rebuild in rebuilds.items()}, console)


def _make_launcher(
    settings: SearchSettings, work: Callable[[], None], placement: Placement
) -> LocalLauncher | RayLauncher:
    if settings.launcher == "ray":
        gpus = len(placement.gpus) if settings.worker_gpus is None else settings.worker_gpus
        on_file = str(settings.storage).startswith("sqlite")
        return RayLauncher(work, settings.workers, settings.threads * placement.ranks, gpus, one_machine=on_file)
    threads = {"OMP_NUM_THREADS": str(settings.threads)}
    shares = share_gpus(settings.workers, placement, visible_gpus())
    environments = [threads if own is None else {**threads, "CUDA_VISIBLE_DEVICES": own} for own in shares]
    keeper = _Keeper(settings.study_name, open_storage(settings.storage))
    return LocalLauncher(work, environments, placement.ranks, keeper.give_back, keeper.release)


def study_names(storage: BaseStorage, search: str) -> list[str]:
    """Return the names of a search's study and of those beside it."""
    return [name for name in optuna.get_all_study_names(storage) if name.partition("/")[0] == search]


class _Keeper:
    """Gives back what workers held that are gone.

    Args:
        name: of the search's study.
        storage: of that study and those beside it.
    """

    def __init__(self, name: str, storage: BaseStorage) -> None:
        self._name = name
        self._storage = storage
        self._deaths = 0
        self._finished = 0

    def give_back(self, dead: DeadWorker) -> None:
        """Give a dead worker's candidates back.

        Raises:
            StudyError: if workers die without getting anything done.
        """
        finished = 0
        for name in study_names(self._storage, self._name):
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
            for name in study_names(self._storage, self._name):
                study = optuna.load_study(study_name=name, storage=self._storage)
                give_back_trials(study, leader, "interrupted", "released")
