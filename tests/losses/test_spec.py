"""A stored loss becomes the same loss, or an error that says why not; nothing else."""

import copy
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses import (
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
    cross_entropy_taylor,
    load_loss,
    loss_from_dict,
    loss_to_dict,
    save_loss,
)

STORED = [
    loss_to_dict(loss)
    for loss in (
        cross_entropy_taylor(3),
        ScaledLoss(ScaledLoss(FocalLoss(), 2.0), 0.1),
        TreeLoss("log(h) - y / h"),
        TaylorLoss([0.1, 1e-300, -1.7976931348623157e308], 1, folded=True, label_smoothing=0.05),
    )
]


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored["family"])
def test_numbers_survive_to_the_last_bit(stored: dict[str, Any], tmp_path: Path) -> None:
    save_loss(loss_from_dict(stored), tmp_path / "loss.json")
    assert loss_to_dict(load_loss(tmp_path / "loss.json")) == stored


def test_from_dict_of_a_class_takes_that_class() -> None:
    stored = CrossEntropyLoss().to_dict()
    assert isinstance(Loss.from_dict(stored), CrossEntropyLoss)
    with pytest.raises(LossFileError, match="stored TaylorLoss, got CrossEntropyLoss"):
        TaylorLoss.from_dict(stored)


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


CROSS_ENTROPY = {"format": 1, "family": "cross_entropy", "parameters": {}}
TAYLOR = cross_entropy_taylor(3).to_dict()


def changed(stored: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    stored = copy.deepcopy(stored)
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return stored


def nested(depth: int) -> dict[str, Any]:
    stored = CROSS_ENTROPY
    for _ in range(depth):
        stored = {"format": 1, "family": "scaled", "parameters": {"loss": stored, "factor": 1.0}}
    return stored


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (None, "JSON object, got NoneType"),
        ([], "JSON object, got list"),
        ({}, "stored format 1, got None"),
        (changed(CROSS_ENTROPY, "format", to=2), "format 2. Update glo_lightning"),
        (changed(CROSS_ENTROPY, "format", to="1"), "stored format 1, got '1'"),
        (changed(CROSS_ENTROPY, "format", to=True), "stored format 1, got True"),
        (changed(CROSS_ENTROPY, "format", to=0), "stored format 1, got 0"),
        (changed(CROSS_ENTROPY, "comment", to="mine"), "the keys format, family and parameters"),
        ({"format": 1, "family": "cross_entropy"}, "the keys format, family and parameters"),
        (changed(CROSS_ENTROPY, "family", to="os.system"), "families baikal, baikal_cma, .*cross_entropy"),
        (changed(CROSS_ENTROPY, "family", to=["taylor"]), "one of the families"),
        (changed(CROSS_ENTROPY, "parameters", to=[1]), "parameters as a JSON object"),
        (changed(CROSS_ENTROPY, "parameters", "theta", to=[0.0]), "parameters out of class_reduction"),
        (changed(CROSS_ENTROPY, "parameters", "self", to=1), "parameters out of"),
        (changed(CROSS_ENTROPY, "parameters", "label_smoothing", to="0.1"), "parameters that CrossEntropyLoss"),
        (changed(CROSS_ENTROPY, "parameters", "reduction", to=None), "reduction 'mean'"),
        (changed(CROSS_ENTROPY, "parameters", "reduction", to={}), "stored format 1"),
        (changed(TAYLOR, "parameters", "theta", to=[0.0]), "8 numbers"),
        (changed(TAYLOR, "parameters", "theta", to="0" * 8), "8 numbers"),
        (changed(TAYLOR, "parameters", "theta", to=[float("nan")] * 8), "finite numbers, got nan"),
        (changed(TAYLOR, "parameters", "theta", to=[10**400] * 8), "8 numbers"),
        (changed(TAYLOR, "parameters", "order", to=10**30), "numbers"),
        (changed(TAYLOR, "parameters", "order", to=-1), "order of 1 or more"),
        (changed(TAYLOR, "parameters", "inputs", to=[["y"], "h"]), "inputs out of"),
        (changed(TAYLOR, "parameters", "folded", to="no"), "folded"),
        ({"format": 1, "family": "taylor", "parameters": {}}, "missing 1 required positional argument: 'theta'"),
        ({"format": 1, "family": "scaled", "parameters": {"loss": 1, "factor": 1.0}}, "a Loss to wrap"),
        (nested(20), "levels of nesting"),
        (changed(CROSS_ENTROPY, "family", to=b"taylor"), "JSON values, got bytes"),
        (changed(CROSS_ENTROPY, "parameters", to={1: 2}), "names as keys"),
    ],
)
def test_damaged_forms_are_refused(stored: Any, message: str) -> None:
    with pytest.raises(LossFileError, match=message):
        loss_from_dict(stored)


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


def test_a_family_name_is_taken_once() -> None:
    with pytest.raises(LossError, match="family name nobody uses yet, got 'taylor'"):

        class AnotherTaylorLoss(TaylorLoss):
            family: ClassVar[str] = "taylor"


def test_a_users_own_family_is_stored_like_ours() -> None:
    class AbsoluteErrorLoss(Loss):
        family: ClassVar[str] = "absolute_error_of_a_test"

        def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
            return (h - y).abs()

        def hyperparameters(self) -> dict[str, Any]:
            return {}

        def expression(self) -> Any:
            import sympy

            return sympy.Abs(sympy.Symbol("h") - sympy.Symbol("y"))

    loss = AbsoluteErrorLoss(label_smoothing=0.1)
    assert isinstance(loss_from_dict(json.loads(json.dumps(loss.to_dict()))), AbsoluteErrorLoss)
    assert loss.formula("python") == "(abs(h - y)).sum(-1)"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(stored=st.sampled_from(STORED), data=st.data())
def test_any_damage_gives_a_loss_or_an_error(stored: dict[str, Any], data: st.DataObject) -> None:
    place = stored = copy.deepcopy(stored)
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[data.draw(st.just(key) | st.text(max_size=5))] = data.draw(json_values)
            break
        place = place[key]
    try:
        loss = loss_from_dict(stored)
    except LossFileError:
        return
    assert isinstance(loss, Loss)
    assert loss_from_dict(loss.to_dict()).to_dict() == loss.to_dict()


@settings(max_examples=200, deadline=None)
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
