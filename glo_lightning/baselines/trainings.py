"""Train what is known: every loss at several learning rates, and then with several seeds at the one that suits it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import optuna
from rich.console import Console
from rich.progress import Progress

from glo_lightning.baselines.leaderboard import Leaderboard, Row
from glo_lightning.baselines.members import Member, members_of
from glo_lightning.compare.comparison import refuse_what_tells_nothing
from glo_lightning.compare.shared_trainings import TOTAL, SharedTrainings
from glo_lightning.errors import DataError, SettingsError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.options import option
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.rival import UNBALANCED
from glo_lightning.search.samplers.fixed import read_verdicts
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.decision import decide_once
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import count_run, quiet_optuna
from glo_lightning.search.tasks import ProbedTask, probe_tasks
from glo_lightning.search.workers.launch import run_workers
from glo_lightning.search.workers.work import task_facts, torch_threads
from glo_lightning.training.checks.class_counts import count_classes
from glo_lightning.training.checks.loaders import flat, monitored
from glo_lightning.training.choice import Way, choose_evaluator
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.placement import place
from glo_lightning.training.run import Evaluation, Run
from glo_lightning.training.seeds import fresh_seeds
from glo_lightning.training.task import Task, quiet_lightning

_logger = logging.getLogger(__name__)

RATES = (0.1, 0.316, 1.0, 3.16, 10.0)
"""What every learning rate is multiplied by."""

TOGETHER = 40
"""Trainings of a population at once: few enough to be kept soon, many enough to be fast."""

TRAININGS = "trainings"
"""What the lists of baselines are for, in the names of their studies."""

STAGE = "/baselines"
"""What follows the name of a search in that of the study beside which its baselines are kept."""


@dataclass(frozen=True)
class Trained:
    """What was trained before a search, and on what.

    Args:
        leaderboard: what came of it.
        task: what its first batch revealed.
        class_counts: training samples of each class where they are unbalanced; else none.
    """

    leaderboard: Leaderboard
    task: ProbedTask
    class_counts: tuple[int, ...]


def train_baselines(settings: SearchSettings, task: Task, bar: Console) -> Trained:
    """Train what is known on training and validation data, each loss as long as a full training is.

    Args:
        settings: of the search that might follow, with a storage, which keeps finished trainings; whoever trains the
            same with the same shares the work.
        task: what is trained.
        bar: shows progress, if it is a terminal.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
    """
    placement = place(task)
    if settings.tasks or placement.ranks > 1:
        raise SettingsError(
            "one task on one device",
            f"{len(settings.tasks)} tasks" if settings.tasks else f"{placement.ranks} processes for each training",
            f"Leave {option('tasks')} out, and give the Trainer devices=1 and no strategy; the search may have more.",
        )
    with torch_threads(settings.threads), quiet_optuna():
        leader = _Leader.open(settings, task, bar)
        for line in filter(None, leader.task.probe.caveat.splitlines()):
            _logger.warning(line)
        if settings.workers > 1 or settings.launcher == "ray":
            with _followed(leader.lead, bar) as look:
                run_workers(settings, {"": task}, placement, take_part, look)
        return leader.train()


def take_part(settings: SearchSettings, tasks: Mapping[str, Task], console: Console) -> None:
    """Train a worker's share of what is known."""
    (task,) = tasks.values()
    with torch_threads(settings.threads), quiet_optuna():
        _Leader.open(settings, task, console).train()


@contextmanager
def _followed(lead: optuna.Study, bar: Console) -> Iterator[Callable[[], None]]:
    """Show how much of what is to be trained for a study has been; yield what looks at it."""
    storage = storage_of(lead)
    with Progress(console=bar, transient=True, disable=not bar.is_terminal) as progress:
        task = progress.add_task("trainings", total=None)

        def look() -> None:
            own = f"{lead.study_name}/{TRAININGS}/"
            names = [name for name in optuna.get_all_study_names(storage) if name.startswith(own)]
            lists = [optuna.load_study(study_name=name, storage=storage) for name in names]
            done = sum(len(read_verdicts(each)) for each in lists)
            progress.update(task, completed=done, total=sum(each.user_attrs.get(TOTAL, 0) for each in lists))

        yield look if bar.is_terminal else lambda: None


def _unbalanced(settings: SearchSettings, task: ProbedTask) -> tuple[int, ...]:
    if settings.outputs != "softmax":
        return ()
    try:
        counts = count_classes(task.task, task.num_classes)
    except DataError:  # labels of another kind, or a class without samples
        return ()
    return counts if max(counts) > UNBALANCED * min(counts) else ()


def _validation_samples(task: Task, monitor: Monitor) -> int | None:
    """Return how many samples validate, None if a data set has no length; the data have been set up."""
    with quiet_lightning():
        loaders = monitored(flat(task.datamodule.val_dataloader()), monitor.name)
    try:
        return sum(len(loader.dataset) for loader in loaders)
    except (TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class _Leader:
    """Decides what is trained, and keeps it.

    Args:
        settings: of the search.
        task: what is trained.
        class_counts: training samples of each class where they are unbalanced; else none.
        lead: the study that stands for the baselines; trainings are in others beside it.
        evaluators: make what trains.
        bar: shows progress, if it is a terminal.
    """

    settings: SearchSettings
    task: ProbedTask
    class_counts: tuple[int, ...]
    lead: optuna.Study
    evaluators: EvaluatorFactory
    bar: Console

    @classmethod
    def open(cls, settings: SearchSettings, task: Task, bar: Console) -> "_Leader":
        """Look at a batch, open the storage, and choose how to train, once in the life of the baselines."""
        # Joint hyperparameters, class counts and test data are the search's.
        settings = replace(settings, joint={}, class_aware=False, comparison_seeds=0)
        (probed,) = probe_tasks(settings, {"": task})
        name, opened = settings.study_name + STAGE, open_storage(settings.storage)
        count_run(name, opened)
        lead = optuna.create_study(study_name=name, storage=opened, load_if_exists=True)
        evaluators = EvaluatorFactory(settings, [probed])

        def try_out() -> Way:
            wanted, attribute = settings.evaluator, settings.loss_attribute
            return choose_evaluator(wanted, task, settings.metric, attribute, TOGETHER, _logger.info)

        is_free = settings.evaluator == "auto"
        evaluators.way = cast(Way, decide_once(lead, "evaluator", try_out)) if is_free else try_out()
        return cls(settings, probed, _unbalanced(settings, probed), lead, evaluators, bar)

    def train(self) -> Trained:
        """Find each member's learning rate with one seed, and train it with others."""
        members = members_of(self.task, self.settings.outputs, self.class_counts)
        monitor = self.evaluators.monitor
        free = [member for member in members if member.side != "untouched"]
        scouting = [_run(member, rate, self.settings.seed) for member in free for rate in RATES]
        seeds = fresh_seeds(self.settings.seed, "baselines", self.settings.baseline_seeds)
        with Progress(console=self.bar, transient=True, disable=not self.bar.is_terminal) as progress:
            bar = progress.add_task("trainings", total=len(scouting) + len(seeds) * len(members))

            def evaluate(runs: Sequence[Run], before: int) -> list[Evaluation]:
                return self._shared(lambda done: progress.update(bar, completed=before + done)).evaluate(runs)

            scouts = evaluate(scouting, 0)
            refuse_what_tells_nothing(scouts)
            by_member = [scouts[start : start + len(RATES)] for start in range(0, len(scouts), len(RATES))]
            rates = {id(member): self._rate(own) for member, own in zip(free, by_member, strict=True)}
            # What is best as it is would be there twice.
            usual = next(member for member in free if member.name == members[0].name)
            kept = [each for each in members if each is not members[0] or rates[id(usual)] != 1.0]
            chosen = [(member, rates.get(id(member), 1.0)) for member in kept]
            answers = evaluate([_run(*each, seed) for each in chosen for seed in seeds], len(scouts))
            refuse_what_tells_nothing(answers)
        in_turn = iter(answers)
        rows = [Row.of(*each, [next(in_turn) for _ in seeds]) for each in chosen]
        ordered = sorted(rows, key=lambda row: (not row.is_measured, monitor.rank_key(row.mean)))
        seconds = float(np.mean([each.seconds for each in scouts]))
        trainings = len(scouts) + len(seeds) * len(rows)
        curves = tuple(tuple(each.curve) for each in scouts)
        is_share = monitor.mode == "max" and self.settings.outputs != "real"
        samples = _validation_samples(self.task.task, monitor) if is_share else None
        board = Leaderboard(monitor, tuple(ordered), curves, self.task.full_epochs, seconds, trainings, samples)
        return Trained(board, self.task, self.class_counts)

    def _rate(self, evaluations: Sequence[Evaluation]) -> float:
        """Return the best learning rate; of equals the one nearest to 1."""
        key = self.evaluators.monitor.rank_key
        best = min(zip(evaluations, RATES, strict=True), key=lambda each: (key(each[0].metric), abs(np.log(each[1]))))
        return best[1]

    def _shared(self, announce: Callable[[int], None]) -> SharedTrainings:
        facts = task_facts(self.task.task, self.task.probe)
        trainer = {name: value for name, value in facts["trainer"].items() if name != "max_epochs"}
        basis = {
            "epochs": self.task.full_epochs,
            "split": "val",
            "loss_attribute": self.settings.loss_attribute,
            "evaluator": self.evaluators.way,
            "own loss": self.task.probe.own_loss,
            **facts,
            "trainer": trainer,
        }
        batch = TOGETHER if self.evaluators.way == "population" else 1
        return SharedTrainings(
            self.evaluators.make("full"),
            self.lead,
            TRAININGS,
            basis,
            self.evaluators.monitor,
            self.settings.attempts,
            batch,
            announce,
        )


def _run(member: Member, rate: float, seed: int) -> Run:
    return Run(member.loss, seed, hyperparameters={} if rate == 1.0 else {LEARNING_RATE_FACTOR: rate})
