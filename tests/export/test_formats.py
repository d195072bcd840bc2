"""Exported losses against the originals: values and gradients, in every format, without this package."""

import importlib.util
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.export import FORMATS, export_loss, write_module
from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    FocalLoss,
    HeadsLoss,
    Loss,
    PolyLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    two_sided_drive,
)
from glo_lightning.search.engines.variation import Variation
from tests.export.losses import LOSSES

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
Make = Callable[[Loss], nn.Module]


@pytest.fixture(params=["python", "torchscript"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Turns a loss into what somebody without this package would load."""

    def from_python(loss: Loss) -> nn.Module:
        path = tmp_path / "found_loss.py"
        path.write_bytes(export_loss(loss, "python"))
        spec = importlib.util.spec_from_file_location("found_loss", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.FoundLoss()

    def from_torchscript(loss: Loss) -> nn.Module:
        return torch.jit.load(io.BytesIO(export_loss(loss, "torchscript")))

    return from_python if request.param == "python" else from_torchscript


def batches(loss: Loss, dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    logits = 3.0 * torch.randn(7, 4, 2, dtype=dtype, generator=generator)
    soft = torch.rand(7, 4, 2, dtype=dtype, generator=generator)
    if loss.outputs == "real":
        return [(logits[..., 0], soft[..., 0]), (logits[..., 1], -soft[..., 0])]
    if loss.outputs == "sigmoid":
        return [(logits, soft), (logits[:, :, 0], soft[:, :, 0].round()), (logits[:, 0, 0], soft[:, 0, 0])]
    hard = torch.randint(4, (7, 2), generator=generator)
    soft = soft.softmax(1)
    return [(logits[..., 0], hard[:, 0]), (logits[..., 0], soft[..., 0]), (logits, hard), (logits, soft)]


def value_and_gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    return value, torch.autograd.grad(value.sum(), logits)[0]


@every_loss
def test_it_is_the_same_loss(loss: Loss, make: Make) -> None:
    tolerance = 1e-8 if "∫" in loss.formula() else 1e-10  # integrals are sums over a few nodes
    exported = make(loss)
    for progress in (0.0, 0.75) if loss.uses_progress else (0.0,):
        loss.progress = exported.progress = progress
        for logits, target in batches(loss):
            found, expected = (value_and_gradient(each, logits, target) for each in (exported, loss))
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, check_stride=False)


@every_loss
def test_an_empty_batch_costs_nothing(loss: Loss, make: Make) -> None:
    for logits, target in batches(loss):
        value, gradient = value_and_gradient(make(loss), logits[:0], target[:0])
        assert torch.equal(value, loss(logits[:0], target[:0]))
        assert value.sum() == 0.0
        assert gradient.shape == logits[:0].shape


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_it_is_the_same_in_low_precision(loss: Loss, dtype: torch.dtype, make: Make) -> None:
    exported = make(loss)
    loss.progress = 0.0
    for logits, target in batches(loss, torch.float32):
        low = logits.to(dtype)
        found = exported(low, target)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(low, target), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "loss", [each for each in LOSSES.values() if "∫" in each.formula()], ids=lambda loss: loss.formula()
)
def test_slopes_of_integrals_are_exact_however_wrong_a_sample_is(loss: Loss, make: Make) -> None:
    gaps = torch.tensor([-40.0, -20.0, -8.0, 0.0, 8.0], dtype=torch.float64).unsqueeze(-1)
    logits, target = (
        (gaps, torch.ones_like(gaps))
        if loss.outputs == "sigmoid"
        else (gaps * torch.eye(4, dtype=torch.float64)[1], torch.ones(5, dtype=torch.int64))
    )
    first, second = [], []
    for each in (make(loss), loss):
        values = logits.clone().requires_grad_()
        (slope,) = torch.autograd.grad(each(values, target).sum(), values, create_graph=True)
        first.append(slope.detach())
        second.append(torch.autograd.grad(slope.square().sum(), values)[0])
    for found, expected in (first, second):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-12)


def test_losses_that_know_the_classes_may_be_around_each_other(make: Make) -> None:
    inside = ClassAwareLoss(PolyLoss(), [50, 5, 3, 1])
    loss = ScaledLoss(ClassAwareLoss(inside, [1, 2, 3, 4], 0.3, margin=0.5), 2.0)
    for logits, target in batches(loss):
        torch.testing.assert_close(make(loss)(logits, target), loss(logits, target))


@pytest.mark.parametrize(
    ("counts", "tau", "beta", "margin"),
    [([1e9, 3e4, 7.0, 1.0], 0.7, 2.0, 0.3), ([10_000_000, 20, 20, 20], 0.0, 1.0, 1e6), ([3, 2, 1, 1], 1e-7, -9.0, 0.0)],
    ids=["weights from 1e-9 to 1e9", "a large margin", "small numbers"],
)
def test_numbers_of_the_classes_may_be_of_any_size(
    counts: list[float], tau: float, beta: float, margin: float, make: Make
) -> None:
    loss = ClassAwareLoss(CrossEntropyLoss(), counts, tau, beta, margin)
    exported = make(loss)
    for logits, target in batches(loss):
        found, expected = (value_and_gradient(each, logits, target) for each in (exported, loss))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0.0, check_stride=False)


def test_numbers_of_the_classes_that_overflow_are_refused(make: Make) -> None:
    with pytest.raises(LossError, match="finite numbers"):
        make(ClassAwareLoss(CrossEntropyLoss(), [1e-9, 1.0], margin=1e308))


@pytest.mark.parametrize(
    "loss",
    [DriveLoss(0.0, 0.5, num_classes=4), SigmoidLoss(two_sided_drive(balance=1.0)), two_sided_drive(0.0)],
    ids=["no drive", "yes alone", "neither"],
)
def test_drives_may_be_of_scale_0(loss: Loss, make: Make) -> None:
    for logits, target in batches(loss):
        if loss.num_classes == 2 and loss.outputs == "softmax":
            logits, target = logits[:, :2], target.clamp(max=1) if target.dtype == torch.int64 else target[:, :2]
        found, expected = (value_and_gradient(each, logits, target) for each in (make(loss), loss))
        torch.testing.assert_close(found, expected, check_stride=False)
    assert "log(h" in loss.formula("python")


def random_trees(count: int) -> list[TreeLoss]:
    """Trees as evolution makes them, with random coefficients, that are defined somewhere."""
    rng, variation, found = np.random.default_rng(0), Variation(initial_depth=4), []
    while len(found) < count:
        text = str(variation.grow(rng))
        with suppress(LossError):
            coefficients = TreeLoss(text).coefficients
            loss = TreeLoss(text, rng.uniform(0.5, 2.0, len(coefficients)).tolist(), reduction="none")
            if "h" in text and "y" in text and loss.definedness().share > 0.0:
                found.append(loss)
    return found


def test_it_is_the_same_for_trees_as_evolution_makes_them(tmp_path: Path) -> None:
    compared = 0
    for loss in random_trees(50):
        exported = torch.jit.load(io.BytesIO(export_loss(loss, "torchscript")))
        for logits, target in batches(loss)[:2]:
            expected, found = (value_and_gradient(each, logits, target) for each in (loss, exported))
            finite = expected[0].isfinite() & expected[1].isfinite().all(-1)
            for own, other in zip(found, expected, strict=True):
                torch.testing.assert_close(own[finite], other[finite], rtol=1e-8, atol=1e-8, msg=str(loss.tree))
            compared += int(finite.sum())
    assert compared > 200


SATURATED = [
    CrossEntropyLoss(),
    FocalLoss(0.5),
    TreeLoss("y * log(h)"),
    TreeLoss("log(h * h + y) - y / (1 + y * h * sqrt(h))"),
    TaylorLoss([0.5] * 8),
]


@pytest.mark.parametrize("loss", [*SATURATED, *map(SigmoidLoss, SATURATED)], ids=lambda loss: loss.formula())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_finite_where_softmax_rounds_to_0_and_1(loss: Loss, dtype: torch.dtype, make: Make) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]], dtype=dtype)
    target = torch.tensor([[0.0, 1.0, 0.0]]) if loss.outputs == "sigmoid" else torch.tensor([1])
    found, expected = (value_and_gradient(each, logits, target) for each in (make(loss), loss))
    assert found[0].isfinite()
    torch.testing.assert_close(found, expected)


def test_baikal_of_a_class_that_is_not_the_target_stays_finite(make: Make) -> None:
    value, gradient = value_and_gradient(make(BaikalLoss()), torch.tensor([[200.0, -200.0]]), torch.tensor([0]))
    assert value == 200.0 * 2 + 1
    assert gradient.isfinite().all()


STEEP = [
    BaikalLoss(),
    BaikalCMALoss(),
    TreeLoss("log(h) - y / h"),
    *(DriveLoss(q=q, num_classes=2) for q in (-0.5, 0.0, 0.02)),
    DriveLoss(q=-0.5, num_classes=2, label_smoothing=0.1),
]


@pytest.mark.parametrize("loss", STEEP, ids=lambda loss: loss.formula())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [30.0, 100.0, 500.0, 3000.0])
def test_it_is_finite_and_the_same_however_wrong_a_sample_is(
    loss: Loss, dtype: torch.dtype, gap: float, make: Make
) -> None:
    logits = torch.tensor([[0.0, gap]], dtype=dtype)
    exported = make(loss)
    for target in (torch.tensor([0]), torch.tensor([[0.75, 0.25]])):
        found, expected = (value_and_gradient(each, logits, target) for each in (exported, loss))
        assert all(each.isfinite().all() for each in (*found, *expected))
        torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=0.0)
        if "∫" not in loss.formula():  # their values are rough, and those of fewer nodes rougher
            torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=0.0)


def test_baikal_is_the_tree_that_it_was_found_as_however_wrong_a_sample_is() -> None:
    logits, target = torch.tensor([[0.0, 100.0]]), torch.tensor([0])
    found, expected = (value_and_gradient(loss, logits, target) for loss in (BaikalLoss(), TreeLoss("log(h) - y / h")))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "loss", [CrossEntropyLoss(), FocalLoss(0.5), ScaledLoss(PolyLoss(), 2.0), TreeLoss("y * log(h)")], ids=str
)
def test_a_masked_class_costs_nothing(loss: Loss, make: Make) -> None:
    logits = torch.tensor([[1.0, 0.0, -torch.inf]])
    for target in (torch.tensor([0]), torch.tensor([[0.75, 0.25, 0.0]])):
        value, gradient = value_and_gradient(make(loss), logits, target)
        torch.testing.assert_close((value, gradient), value_and_gradient(loss, logits, target))
        expected = value_and_gradient(loss, logits[:, :2], target[..., :2])
        torch.testing.assert_close((value, gradient[:, :2]), expected)
        assert gradient[0, 2] == 0.0


@every_loss
def test_the_file_is_short_and_needs_torch_alone(loss: Loss) -> None:
    lines = write_module(loss).splitlines()
    assert len(lines) <= 40
    assert [line for line in lines if "import" in line] == ["import torch", "from torch import Tensor, nn"]
    assert len(max((line for line in lines if "losses" not in line and "L =" not in line), key=len)) <= 120


def test_numbers_of_many_classes_are_all_that_makes_a_file_long() -> None:
    lines = write_module(ClassAwareLoss(CrossEntropyLoss(), list(range(1, 1001)), 0.7, 0.5, 0.3)).splitlines()
    assert max(map(len, lines)) <= 120
    assert len([line for line in lines if set(line) - set(" 0123456789-,[]")]) <= 40


@pytest.mark.parametrize(
    "name",
    [
        "cross-entropy", "baikal cma", "taylor", "tree of roots", "drive", "class-aware", "class-aware drive",
        "sigmoid", "sigmoid of logits", "class-aware sigmoid", "residual", "huber", "log cosh", "quantile",
        "standardized",
        "asymmetric", "dice of masks", "two-sided trees",
    ],
)  # fmt: skip
def test_onnx_gives_the_same_value_for_any_batch_and_classes(name: str) -> None:
    loss = LOSSES[name]
    session = onnxruntime.InferenceSession(export_loss(loss, "onnx"))
    generator = torch.Generator().manual_seed(1)
    for size, num_classes in ((0, 3), (1, 2), (9, 5)):
        logits = torch.randn(size, loss.num_classes or num_classes, generator=generator)
        labels = torch.rand(logits.shape, generator=generator)
        target = labels.argmax(-1) if loss.outputs == "softmax" else labels
        (found,) = session.run(None, {"logits": logits.numpy(), "target": target.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), loss(logits, target), rtol=1e-4, atol=1e-5)


def test_onnx_refuses_a_loss_that_changes() -> None:
    with pytest.raises(LossError, match="does not change with training progress"):
        export_loss(LOSSES["taylor in time"], "onnx")


@every_loss
def test_latex_is_one_formula(loss: Loss) -> None:
    text = export_loss(loss, "latex").decode()
    assert text.startswith("L = ")
    assert text.count("\n") == 1
    assert text.count("{") == text.count("}")
    if loss.outputs != "real":
        assert ("sigma" in text) == (loss.outputs == "sigmoid")


@every_loss
def test_latex_defines_every_letter(loss: Loss) -> None:
    text = export_loss(loss, "latex").decode()
    if loss.outputs != "real":
        assert text.count(" h = ") == 1
        assert r"\mathrm{softmax}(f) = \operatorname{softmax}(f)" not in text
        assert (r"\mathrm{label}" in text) == (loss.label_smoothing > 0.0)
    if "active_passive" in str(loss.to_dict()):
        assert r"\ s = \sum_k \log h_k" in text


def test_other_formats_are_refused() -> None:
    assert list(FORMATS) == ["python", "torchscript", "onnx", "latex"]
    with pytest.raises(LossError, match="a format out of python, torchscript, onnx, latex"):
        export_loss(CrossEntropyLoss(), "pickle")


@pytest.mark.parametrize("format", ["python", "torchscript", "onnx"])
def test_losses_of_several_heads_are_refused(format: str) -> None:
    with pytest.raises(LossError, match="each head's by itself"):
        export_loss(HeadsLoss([CrossEntropyLoss(), BaikalLoss()]), format)


def test_a_loss_without_real_values_is_refused() -> None:
    with pytest.raises(LossError, match="undefined everywhere"):
        write_module(TreeLoss("log(h) + sqrt(-1)", [1.0]))
