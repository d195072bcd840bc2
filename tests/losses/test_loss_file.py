"""A file becomes the loss that was saved, or an error that says why not."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glo_lightning.errors import LossFileError
from glo_lightning.losses import CrossEntropyLoss, FocalLoss, Loss, load_loss, save_loss
from tests.losses.test_stored_form import STORED


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored["family"])
def test_numbers_survive_to_the_last_bit(stored: dict[str, Any], tmp_path: Path) -> None:
    save_loss(Loss.from_dict(stored), tmp_path / "loss.json")
    assert load_loss(tmp_path / "loss.json").to_dict() == stored


def test_saving_replaces_whole_files_and_leaves_no_others(tmp_path: Path) -> None:
    path = tmp_path / "loss.json"
    save_loss(FocalLoss(1.0), path)
    broken = FocalLoss(2.0)
    broken.focusing = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_loss(broken, path)
    assert load_loss(path).to_dict() == FocalLoss(1.0).to_dict()
    assert os.listdir(tmp_path) == ["loss.json"]
    with pytest.raises(OSError, match="missing"):
        save_loss(FocalLoss(), tmp_path / "missing" / "loss.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "JSON file"),
        (b"\x80\x04\x95", "JSON file"),
        (b"{'format': 1}", "JSON file"),
        (b"[" * 100_000, "JSON file"),
        (b'{"format": 1, "family": "cross_entropy", "parameters": {}} trailing', "JSON file"),
        (b'{"format": NaN}', "finite numbers"),
        (b'{"format": 1e999}', "finite numbers"),
        (b'{"format": ' + b"9" * 5000 + b"}", "JSON file"),
        (b" " * 1_000_001, "at most 1000000 bytes"),
    ],
)
def test_damaged_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "loss.json"
    path.write_bytes(content)
    with pytest.raises(LossFileError, match=message):
        load_loss(path)


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_loss(tmp_path / "loss.json")


@settings(max_examples=200)
@given(position=st.integers(0, 10**6), byte=st.integers(0, 255), stored=st.sampled_from(STORED))
def test_any_flipped_byte_gives_a_loss_or_an_error(
    position: int, byte: int, stored: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(json.dumps(stored).encode())
    content[position % len(content)] = byte
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    path.write_bytes(content)
    try:
        loss = load_loss(path)
    except LossFileError:
        return
    assert isinstance(loss(torch.zeros(2, 3), torch.tensor([0, 1])), Tensor)


def test_threads_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: save_loss(CrossEntropyLoss(), tmp_path / "loss.json"), range(200)))
    assert load_loss(tmp_path / "loss.json").to_dict() == CrossEntropyLoss().to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["loss.json"]
