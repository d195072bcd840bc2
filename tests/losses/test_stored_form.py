"""A stored loss becomes the same loss, or an error that says why not; nothing else."""

import copy
import json
import tracemalloc
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glo_lightning.errors import LossFileError
from glo_lightning.losses import (
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
    cross_entropy_taylor,
)

STORED = [
    loss.to_dict()
    for loss in (
        cross_entropy_taylor(3),
        ScaledLoss(ScaledLoss(FocalLoss(), 2.0), 0.1),
        TreeLoss("log(h) - y / h"),
        TaylorLoss([0.1, 1e-300, -1.7976931348623157e308], 1, folded=True, label_smoothing=0.05),
    )
]


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored["family"])
def test_numbers_survive_to_the_last_bit(stored: dict[str, Any]) -> None:
    assert Loss.from_dict(json.loads(json.dumps(stored))).to_dict() == stored


def test_from_dict_of_a_class_takes_that_class() -> None:
    stored = CrossEntropyLoss().to_dict()
    assert isinstance(Loss.from_dict(stored), CrossEntropyLoss)
    with pytest.raises(LossFileError, match="stored TaylorLoss, got CrossEntropyLoss"):
        TaylorLoss.from_dict(stored)


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
        (changed(CROSS_ENTROPY, "family", to="os.system"), "families .*baikal, baikal_cma, .*cross_entropy"),
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
        (changed(TAYLOR, "parameters", "theta", to=[10**400] * 8), "at most 64 bits, got one of 1329"),
        (changed(TAYLOR, "parameters", "order", to=10**15), "order of 1 or more, up to 32"),
        (changed(TAYLOR, "parameters", "order", to=-1), "order of 1 or more"),
        (changed(TAYLOR, "parameters", "inputs", to=[["y"], "h"]), "inputs out of"),
        (changed(TAYLOR, "parameters", "folded", to="no"), "folded"),
        ({"format": 1, "family": "taylor", "parameters": {}}, "missing 1 required positional argument: 'theta'"),
        ({"format": 1, "family": "scaled", "parameters": {"loss": 1, "factor": 1.0}}, "a Loss to wrap"),
        (
            {"format": 1, "family": "two_sided", "parameters": {"positive": CROSS_ENTROPY, "negative": 5}},
            "a Loss to wrap, got 5",
        ),
        (nested(20), "levels of nesting"),
        (changed(CROSS_ENTROPY, "family", to=b"taylor"), "JSON values, got bytes"),
        (changed(CROSS_ENTROPY, "parameters", to={1: 2}), "names as keys"),
    ],
)
def test_damaged_forms_are_refused(stored: Any, message: str) -> None:
    with pytest.raises(LossFileError, match=message):
        Loss.from_dict(stored)


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
    assert isinstance(Loss.from_dict(json.loads(json.dumps(loss.to_dict()))), AbsoluteErrorLoss)
    assert loss.formula("python") == "(abs(h - y)).sum(-1)"


def taylor(order: int, inputs: list[str], size: int) -> dict[str, Any]:
    return {"format": 1, "family": "taylor", "parameters": {"theta": [0] * size, "order": order, "inputs": inputs}}


def tree(expression: str) -> dict[str, Any]:
    return {"format": 1, "family": "tree", "parameters": {"expression": expression}}


BOMBS = {
    "an order of hundreds": taylor(700, ["y", "h"], 245_702),
    "a pascal triangle": taylor(200_000, ["h"], 200_001),
    "ten thousand terms": taylor(20, ["y", "h", "f", "t"], 10_399),
    "a deep tree": tree("square(" * 33 + "h" + ")" * 33),
    "a wide tree": tree("h" + " * h" * 2000),
    "many heads": {"format": 1, "family": "heads", "parameters": {"losses": [CROSS_ENTROPY] * 10_000}},
    "classes": {"format": 1, "family": "drive", "parameters": {"num_classes": 2**63}},
    "an integer": {"format": 1, "family": "focal", "parameters": {"focusing": 10**5000}},
    "another format": {"format": 10**5000},
    "counts": {
        "format": 1,
        "family": "class_aware",
        "parameters": {"loss": CROSS_ENTROPY, "class_counts": [10**400, 1]},
    },
}


@pytest.mark.parametrize("stored", BOMBS.values(), ids=BOMBS)
def test_what_would_be_huge_is_refused_before_it_is_built(stored: dict[str, Any]) -> None:
    tracemalloc.start()
    with pytest.raises(LossFileError):
        Loss.from_dict(stored)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
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
        loss = Loss.from_dict(stored)
    except LossFileError:
        return
    assert isinstance(loss, Loss)
    assert Loss.from_dict(loss.to_dict()).to_dict() == loss.to_dict()
