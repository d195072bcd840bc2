"""Whatever a loss refuses or takes, so does what it is exported to."""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.export import export_loss, write_module
from glo_lightning.losses import (
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    HuberLoss,
    Loss,
    MeanSquaredErrorLoss,
    ResidualLoss,
    ScaledLoss,
    SigmoidLoss,
    named_loss,
)

Call = Callable[[Tensor, Tensor], Any]


def from_python(loss: Loss, folder: Path) -> Call:
    (folder / "found_loss.py").write_bytes(export_loss(loss, "python"))
    spec = importlib.util.spec_from_file_location("found_loss", folder / "found_loss.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FoundLoss()


def from_torchscript(loss: Loss, folder: Path) -> Call:
    return torch.jit.load(io.BytesIO(export_loss(loss, "torchscript")))


def from_onnx(loss: Loss, folder: Path) -> Call:
    session = onnxruntime.InferenceSession(export_loss(loss, "onnx"))
    return lambda logits, target: session.run(None, {"logits": logits.numpy(), "target": target.numpy()})


def hard(*shape: int, dtype: torch.dtype = torch.int64, value: int = 1) -> Tensor:
    return torch.full(shape, value, dtype=dtype)


def soft(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.full(shape, 0.5, dtype=dtype)


CLASSES = [
    ((8, 3), hard(8), True),
    ((8, 3), hard(4), False),
    ((8, 3), hard(1), False),
    ((4, 3), hard(8), False),
    ((1, 3), hard(8), False),
    ((8, 3), hard(8, 1), False),
    ((8, 3), hard(), False),
    ((8, 3), hard(8, 3), False),
    ((8, 3), hard(8, dtype=torch.int32), False),
    ((8, 3), hard(8, dtype=torch.bool), False),
    ((8, 3), hard(8, value=3), False),
    ((8, 3), hard(8, value=-1), False),
    ((8, 3), hard(8, value=-100), False),
    ((8, 1), hard(8, value=0), False),
    ((8,), hard(8), False),
    ((), hard(), False),
]
DISTRIBUTIONS = [
    ((8, 3), soft(8, 3), True),
    ((8, 3), soft(8, 3, dtype=torch.float64), True),
    ((8, 3), soft(8, 1), False),
    ((8, 3), soft(1, 3), False),
    ((8, 3), soft(3), False),
    ((8, 3), soft(8), False),
    ((8, 3), soft(), False),
    ((3,), soft(3), False),
]
POSITIONS = [
    ((2, 3, 4), hard(2, 4), True),
    ((2, 3, 4), soft(2, 3, 4), True),
    ((2, 3, 4, 5), hard(2, 4, 5), True),
    ((2, 4, 3), hard(2, 4), False),  # as language models have it: the classes last
    ((2, 4, 4), hard(2, 3), False),
    ((2, 3, 4), hard(2), False),
    ((2, 3, 4), hard(2, 4, dtype=torch.int32), False),
    ((2, 3, 4), soft(2, 4), False),
    ((2, 3, 4), soft(2, 4, 3), False),
    ((2, 1, 4), hard(2, 4, value=0), False),
]
QUESTIONS = [
    ((8, 3), soft(8, 3), True),
    ((8, 1), soft(8, 1), True),
    ((2, 1), soft(2), False),
    ((8, 3), soft(8, 1), False),
    ((8, 1), soft(8, 3), False),
    ((8, 3), soft(1, 3), False),
    ((1, 3), soft(8, 3), False),
    ((8, 3), soft(), False),
    ((8, 3), hard(8, 3), False),
    ((8, 3), hard(8, 3, dtype=torch.bool), False),
    ((8, 3), hard(8), False),
]
PREDICTIONS = [
    ((8,), soft(8), True),
    ((8, 1), soft(8, 1), True),
    ((8, 3), soft(8, 3), True),
    ((8, 3), soft(8, 3, dtype=torch.float64), True),
    ((8, 1), soft(8), False),
    ((8,), soft(8, 1), False),
    ((8, 3), soft(8, 1), False),
    ((8, 3), soft(3), False),
    ((8, 3), soft(), False),
    ((), soft(), False),
    ((8, 3, 2), soft(8, 3, 2), False),
    ((8, 3), hard(8, 3), False),
    ((8, 3), hard(8), False),
]
LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropyLoss(),
    "smoothed": CrossEntropyLoss(label_smoothing=0.1),
    "squared error": MeanSquaredErrorLoss(reduction="none"),
    "taylor": named_loss("taylorglo_1"),
    "baikal": named_loss("baikal"),
    "drive": DriveLoss(num_classes=3),
    "class-aware": ClassAwareLoss(CrossEntropyLoss(), [5, 2, 1]),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
torchs = pytest.mark.parametrize("make", [from_python, from_torchscript])


def takes(call: Call, logits: Tensor, target: Tensor) -> bool:
    try:
        call(logits, target)
    except Exception:  # every runtime has errors of its own
        return False
    return True


def check(loss: Loss, call: Call, shape: tuple[int, ...], target: Tensor, right: bool) -> None:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if right:
        loss(logits, target)
    else:
        with pytest.raises(LossError):
            loss(logits, target)
    assert takes(call, logits, target) == right, f"logits {shape}, target {target.dtype} {tuple(target.shape)}"


@every_loss
@torchs
def test_what_does_not_fit_is_refused_as_the_library_refuses_it(loss: Loss, make: Any, tmp_path: Path) -> None:
    call = make(loss, tmp_path)
    for shape, target, right in [*CLASSES, *DISTRIBUTIONS, *POSITIONS]:
        check(loss, call, shape, target, right)


@every_loss
@torchs
def test_so_are_yes_or_no_questions(loss: Loss, make: Any, tmp_path: Path) -> None:
    questions = SigmoidLoss(DriveLoss(num_classes=2) if loss.num_classes else loss)
    call = make(questions, tmp_path)
    for shape, target, right in QUESTIONS:
        check(questions, call, shape, target, right)
    for exported in (call, questions):
        assert not takes(exported, hard(8, 3), soft(8, 3))


@torchs
@pytest.mark.parametrize("loss", [ResidualLoss(0.5), HuberLoss(sigma=2.0)], ids=lambda loss: loss.family)
def test_so_are_predictions(loss: Loss, make: Any, tmp_path: Path) -> None:
    call = make(loss, tmp_path)
    for shape, target, right in PREDICTIONS:
        check(loss, call, shape, target, right)
    several = ResidualLoss(sigma=[1.0, 2.0, 3.0])
    call = make(several, tmp_path)
    for shape, target, right in PREDICTIONS:
        check(several, call, shape, target, right and shape[1:] == (3,))


@pytest.mark.parametrize("name", ["cross-entropy", "squared error", "class-aware"])
def test_onnx_refuses_the_same_without_assertions(name: str, tmp_path: Path) -> None:
    loss = LOSSES[name]
    call = from_onnx(loss, tmp_path)
    for shape, target, right in CLASSES:
        check(loss, call, shape, target, right)
    questions = SigmoidLoss(MeanSquaredErrorLoss())
    call = from_onnx(questions, tmp_path)
    for shape, target, right in QUESTIONS:
        check(questions, call, shape, target, right)


@torchs
def test_the_refusal_says_what_is_wanted(make: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"int64 labels \(N, ...\) .*8, 3.*4"):
        make(CrossEntropyLoss(), tmp_path)(torch.zeros(8, 3), hard(4))


def test_a_loss_for_so_many_classes_refuses_others() -> None:
    loss = DriveLoss(num_classes=3)
    for each in (loss, ScaledLoss(loss, 2.0)):
        with pytest.raises(LossError, match="3 classes"):
            each(torch.zeros(8, 4), hard(8))
        assert "logits.shape[1] != 3" in write_module(each)
    with pytest.raises(LossError, match="two classes"):
        SigmoidLoss(loss)
