"""Run a search from its settings to its files, in this process or in many."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import DistNetworkError

from glo_lightning.cli.own_folder import require_own
from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses.found_along import BEST_HYPERPARAMETERS, DISCOVERED_HYPERPARAMETERS
from glo_lightning.losses.named import BEST_KNOWN, BEST_LOSS, DISCOVERED_LOSS
from glo_lightning.search.monitors import search_monitor, task_monitor
from glo_lightning.search.progress import Progress
from glo_lightning.search.records.history_files import write_history_files
from glo_lightning.search.records.plan import in_force
from glo_lightning.search.records.result import SearchResult, candidate_rows
from glo_lightning.search.records.verdict import Choice, Verdict, is_answered, read_verdict
from glo_lightning.search.records.write import SearchOutput
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.open import open_storage, settled
from glo_lightning.search.storage.study import count_run, find_study
from glo_lightning.search.tasks import full_epochs
from glo_lightning.search.workers.interruption import interruptible
from glo_lightning.search.workers.supervisor import supervise
from glo_lightning.search.workers.work import Part, take_part
from glo_lightning.telling import shown
from glo_lightning.training.placement import Placement, place_all
from glo_lightning.training.run import Run, Status
from glo_lightning.training.task import Task, max_epochs
from glo_lightning.training.traces import no_trace
from glo_lightning.training.trainer import TrainerEvaluator


@no_trace()
def run_search(settings: SearchSettings, tasks: Mapping[str, Task], configuration: str | None = None) -> SearchResult:
    """Search, choose and compare; continue where an earlier run of the same study stopped.

    Args:
        settings: what to search, and how.
        tasks: models, data and Trainers by name; the settings' tasks if they name any, else one.
        configuration: all of the command line's, for the output folder.

    Returns:
        The best loss, the study and the comparison; the files are in the output folder.

    Raises:
        GloError: if settings, tasks, output folder or study do not fit, before anything trains.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the candidates at work have been given back.
    """
    began = time.time()
    require_own(settings.folder, "search", settings.study_name)
    output = SearchOutput.of(settings)
    url = settings.storage or output.storage_url
    given, settings = settings, replace(settings, storage=url, output_dir=output.folder)
    # With worker_gpus given, this machine may have none: the Trainer is for the nodes of a cluster.
    placement = place_all(tasks) if settings.worker_gpus is None else Placement()
    verbosity = settings.verbosity if placement.rank == 0 else "quiet"
    part = None
    storage = open_storage(url)
    find = partial(find_study, settings.study_name, storage)
    one_is_enough = settings.workers == 1 or is_answered(find(), in_force(settings, find()))
    alone = one_is_enough and placement.ranks == 1 and settings.launcher == "local"
    configured = output.configured(given, configuration, find)
    if placement.rank == 0:
        count_run(settings.study_name, storage)
    with (
        settled(url),
        configured if placement.rank == 0 else nullcontext(),
        interruptible(),
        shown(verbosity) as console,
        Progress(console) as progress,
    ):
        if alone or placement.external:
            with _meeting_explained():
                part = take_part(settings, storage, tasks, placement, progress, began)
        else:
            supervise(settings, tasks, placement, progress, began)
    if part is None:
        study = optuna.load_study(study_name=settings.study_name, storage=open_storage(settings.storage))
        part = Part(study, read_verdict(study))
    if placement.rank == 0:
        with shown(verbosity):
            _write(output, part, settings)
    verdict = part.verdict
    return SearchResult(
        verdict.choice.loss,
        verdict.loss,
        part.study,
        verdict.comparison,
        output.folder,
        verdict.fidelity,
        verdict.choice.hyperparameters,
        verdict.hyperparameters,
        verdict.comparisons,
        verdict.warning,
        verdict.best_known,
        verdict.advice,
        partial(_train, settings, next(iter(tasks.values())), verdict.choice) if len(tasks) == 1 else None,
    )


def _write(output: SearchOutput, part: Part, settings: SearchSettings) -> None:
    """Write the files of a finished search."""
    study, verdict = part.study, part.verdict
    output.record_decisions(study)
    output.write_trials(candidate_rows(study))
    _write_losses(output, verdict)
    output.write_json("comparison.json", verdict.to_dict())
    write_history_files(study, verdict.finalists[0], search_monitor(settings), output)


def _write_losses(output: SearchOutput, verdict: Verdict) -> None:
    """Write the losses of a verdict, and what they were trained with; nothing of an earlier one stays."""
    losses = {BEST_LOSS: verdict.choice.loss, DISCOVERED_LOSS: verdict.loss, BEST_KNOWN: verdict.best_known}
    for name, loss in losses.items():
        if loss is None:
            output.remove(name)
        else:
            output.write_loss(name, loss)
    along = {
        BEST_HYPERPARAMETERS: verdict.choice.hyperparameters,
        DISCOVERED_HYPERPARAMETERS: verdict.hyperparameters,
    }
    for name, hyperparameters in along.items():
        if hyperparameters:
            output.write_json(name, hyperparameters)
        else:
            output.remove(name)


@no_trace()
def _train(settings: SearchSettings, task: Task, choice: Choice, seed: int) -> LightningModule:
    """Train a model fully with the loss that a search took home."""
    kept = _KeptModel()
    epochs = full_epochs(settings, max_epochs(task))
    evaluator = TrainerEvaluator(task, task_monitor(settings), settings.loss_attribute, epochs, callbacks=[kept])
    (evaluation,) = evaluator.evaluate([Run(choice.loss, seed, hyperparameters=choice.hyperparameters)])
    if kept.model is None or evaluation.status in (Status.DIVERGED, Status.FAILED):
        raise StudyError("a training that ends well", evaluation.reason, "Try another seed.")
    return kept.model


class _KeptModel(Callback):
    """Keeps the model that was trained."""

    def __init__(self) -> None:
        self.model: LightningModule | None = None

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.model = pl_module


@contextmanager
def _meeting_explained() -> Iterator[None]:
    try:
        yield
    except DistNetworkError as error:
        raise SettingsError(
            "ranks that can meet at MASTER_ADDR and MASTER_PORT",
            str(error).partition("\n")[0],
            "Set MASTER_PORT to a free port, the same for all ranks.",
        ) from error
