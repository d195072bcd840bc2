"""Where trainings run, and how GPUs are shared; no GPU is needed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from glo_lightning.errors import SettingsError
from glo_lightning.search import LossSearch
from glo_lightning.training.placement import Placement, place, share_gpus, visible_gpus
from glo_lightning.training.task import Task, python_task
from tests.search.toy import ToyData, ToyModel


def _task(**trainer: Any) -> Task:
    return python_task(ToyModel, ToyData(), {"accelerator": "cpu", "max_epochs": 1, **trainer})


def test_one_device_is_used_unless_more_are_asked_for() -> None:
    assert place(_task()) == Placement()
    assert place(_task(devices=3)).ranks == 3


@pytest.mark.parametrize(("rank", "ranks"), [(0, 2), (1, 2)])
def test_ranks_started_by_others_are_recognised(rank: int, ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    placement = place(_task(devices=ranks, strategy="ddp"))
    assert (placement.ranks, placement.rank, placement.external) == (ranks, rank, True)


def test_torchruns_ranks_must_be_the_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "3", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(SettingsError, match=r"devices=2.*world size \(3\)"):
        place(_task(devices=2, strategy="ddp"))


@pytest.mark.parametrize(
    ("trainer", "text"),
    [
        ({"devices": 2, "strategy": "ddp_spawn"}, "ddp_spawn|every training"),
        ({"devices": 2, "strategy": "fsdp"}, "fsdp"),
        ({"strategy": "nonsense"}, "nonsense"),
        ({"devices": -5}, "devices|Trainer"),
    ],
)
def test_what_a_trainer_cannot_do_is_refused(trainer: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        place(_task(**trainer))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are GPUs")
def test_missing_gpus_are_refused() -> None:
    with pytest.raises(SettingsError, match="built on this machine"):
        place(_task(accelerator="gpu", devices=2))


FOUR = ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("workers", "gpus", "visible", "expected"),
    [
        (4, (0,), FOUR, ["0", "1", "2", "3"]),
        (2, (0, 1), FOUR, ["0,1", "2,3"]),
        (1, (2, 3), FOUR, [None]),
        (3, (), [], [None, None, None]),
        (2, (0,), ["GPU-aa", "MIG-bb"], ["GPU-aa", "MIG-bb"]),
    ],
)
def test_every_worker_gets_gpus_of_its_own(
    workers: int, gpus: tuple[int, ...], visible: list[str], expected: list[str | None]
) -> None:
    assert share_gpus(workers, Placement(gpus=gpus), visible) == expected


@pytest.mark.parametrize(
    ("workers", "gpus", "text"),
    [(5, (0,), "5 GPUs for 5 workers with 1 each, got 4"), (3, (0, 1), "workers=2"), (2, (1,), "CUDA_VISIBLE_DEVICES")],
)
def test_too_few_gpus_are_refused(workers: int, gpus: tuple[int, ...], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        share_gpus(workers, Placement(gpus=gpus), FOUR)


def test_hidden_gpus_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_a_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = {"LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1])}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        search = LossSearch(output_dir=str(tmp_path))
        with pytest.raises(SettingsError, match="MASTER_PORT"):
            search.run(ToyModel, ToyData(), {"accelerator": "cpu", "devices": 2, "strategy": "ddp", "max_epochs": 1})
