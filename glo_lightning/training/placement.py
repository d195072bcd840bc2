"""Find out where a task's Trainer would train: on which devices, in how many processes, started by whom."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.utilities import rank_zero_only

from glo_lightning.errors import GloError, SettingsError
from glo_lightning.options import option
from glo_lightning.training.task import Task, quiet_lightning


@dataclass(frozen=True)
class Placement:
    """Where a training runs.

    Args:
        ranks: processes that train one model together, on all nodes.
        rank: this process's place among them.
        nodes: machines they are on.
        external: whether the ranks have been started already: by torchrun, by srun, or by a launcher of ours.
        gpus: indices of this machine's GPUs that one training uses; empty without GPUs.
    """

    ranks: int = 1
    rank: int = 0
    nodes: int = 1
    external: bool = False
    gpus: tuple[int, ...] = ()


def leads() -> bool:
    """Whether this process is the first of those that train together, which alone prints and writes."""
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
    return rank == 0


def place(task: Task) -> Placement:
    """Read the placement from the task's Trainer, without starting anything.

    Raises:
        SettingsError: if the Trainer asks for devices that are not there, or for processes that every training would
            start anew.
    """
    try:
        with quiet_lightning():
            trainer = task.build_trainer([], {})
        return Placement(
            ranks=trainer.world_size,
            rank=trainer.global_rank,
            nodes=trainer.num_nodes,
            external=trainer.world_size > 1 and _is_external(trainer),
            gpus=tuple(trainer.device_ids) if isinstance(trainer.accelerator, CUDAAccelerator) else (),
        )
    except GloError:
        raise
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(
            "a Trainer that can be built on this machine",
            " ".join(str(error).split()),
            "Check the trainer's arguments.",
        ) from error


def place_all(tasks: Mapping[str, Task]) -> Placement:
    """Read the placement that tasks share from their Trainers, without starting anything.

    Raises:
        SettingsError: as :func:`place` does, or if several tasks differ, or train in several processes.
    """
    placements = {name: place(task) for name, task in tasks.items()}
    first = next(iter(placements.values()))
    if len(tasks) > 1 and (first.ranks > 1 or set(placements.values()) != {first}):
        raise SettingsError(
            "several tasks to train in the same place, each in one process",
            "; ".join(f"{name} in {each.ranks} on GPUs {list(each.gpus)}" for name, each in placements.items()),
            "Give all of them the same accelerator, and devices=1; use workers for more GPUs.",
        )
    return first


def visible_gpus() -> list[str]:
    """Return the names by which CUDA_VISIBLE_DEVICES calls this process's GPUs."""
    count = torch.cuda.device_count()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(index) for index in range(count)] if listed is None else listed.split(",")[:count]


def share_gpus(workers: int, placement: Placement, visible: list[str]) -> list[str | None]:
    """Give every worker GPUs of its own.

    Args:
        workers: on this machine.
        placement: of one worker's trainings.
        visible: names of the GPUs there are.

    Returns:
        What CUDA_VISIBLE_DEVICES shall be in each worker; None leaves it alone.

    Raises:
        SettingsError: if there are fewer GPUs than devices times workers.

    Example:
        >>> two = Placement(ranks=2, gpus=(0, 1))
        >>> share_gpus(2, two, ["0", "1", "2", "3"])
        ['0,1', '2,3']
    """
    devices = len(placement.gpus)
    if workers == 1 or not devices:
        return [None] * workers
    if placement.gpus != tuple(range(devices)):
        raise SettingsError(
            "a number of devices, because every worker gets GPUs of its own",
            f"the GPUs {list(placement.gpus)}",
            f"Use --trainer.devices={devices}, and CUDA_VISIBLE_DEVICES to choose GPUs.",
        )
    if len(visible) < workers * devices:
        raise SettingsError(
            f"{workers * devices} GPUs for {workers} workers with {devices} each",
            f"{len(visible)}",
            f"Use {option('workers', max(1, len(visible) // devices))}, or more machines with the same command.",
        )
    return [",".join(visible[start : start + devices]) for start in range(0, workers * devices, devices)]


def _is_external(trainer: Trainer) -> bool:
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is None:
        raise SettingsError(
            "a strategy with one process per device",
            type(trainer.strategy).__name__,
            "Use --trainer.strategy=ddp, or one device per worker.",
        )
    if environment.creates_processes_externally:
        environment.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)
        return True
    # Lightning tells in no other way whether a strategy starts its processes once, or for every training anew.
    if not isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
        raise SettingsError(
            "ranks that live on from one training to the next",
            "a strategy that starts processes for every training",
            "Use --trainer.strategy=ddp.",
        )
    return False
