"""What every loss family must do: subclass :class:`LossContract` as ``Test<Family>`` and say how to make one."""

import ast
import copy
import json
import math
import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from glo_lightning.losses import Loss, Reduction, label_distribution, load_loss, save_loss
from glo_lightning.losses.promises import with_reduction
from tests.losses.without_double import MetaWithoutDouble, to_mps

CLASS_REDUCTIONS = ("sum", "mean")


class LossContract:
    """Properties shared by all losses.

    Attributes:
        finite_when_saturated: whether the formula is finite for logits of +-1e4 at any hard label.
        has_elementwise: whether the loss is a function of scaled logits and labels alone.
        sums_symbol: whether the formula is a sum over classes that are all alike.
    """

    finite_when_saturated: ClassVar[bool] = True
    has_elementwise: ClassVar[bool] = True
    sums_symbol: ClassVar[bool] = True

    def make(self, **arguments: Any) -> Loss:
        """Build a typical loss of the family; the arguments are class_reduction, reduction, label_smoothing."""
        raise NotImplementedError

    @pytest.fixture(params=[2, 7], ids=lambda num_classes: f"C{num_classes}")
    def logits(self, request: pytest.FixtureRequest) -> Tensor:
        generator = torch.Generator().manual_seed(request.param)
        return torch.randn(5, request.param, dtype=torch.float64, generator=generator)

    @pytest.fixture(params=["hard", "soft"])
    def target(self, request: pytest.FixtureRequest, logits: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        if request.param == "hard":
            return torch.randint(logits.shape[-1], (5,), generator=generator)
        return torch.rand(logits.shape, dtype=torch.float64, generator=generator).softmax(-1)

    @pytest.fixture(params=[0.0, 0.1], ids=lambda alpha: f"alpha{alpha}")
    def loss(self, request: pytest.FixtureRequest) -> Loss:
        return self.make(label_smoothing=request.param)

    def reference(self, loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
        """The loss as defined: the elementwise function of smoothed labels, summed over classes; shape (N,)."""
        labels = loss.smooth(label_distribution(logits, target))
        if self.has_elementwise:
            return loss.elementwise(logits.softmax(-1), labels).sum(-1)
        return loss.per_class(logits, labels).sum(-1)

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_a_view_with_another_reduction_is_the_loss_built_with_it(
        self, logits: Tensor, target: Tensor, reduction: Reduction
    ) -> None:
        loss = self.make()
        expected = self.make(reduction=reduction)(logits, target)
        torch.testing.assert_close(with_reduction(loss, reduction)(logits, target), expected)
        assert loss.reduction == "mean"

    def test_forward_is_the_elementwise_sum(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        logits.requires_grad_()
        found, expected = loss(logits, target), self.reference(loss, logits, target).mean()
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
        (found_gradient,) = torch.autograd.grad(found, logits)
        (expected_gradient,) = torch.autograd.grad(expected, logits)
        torch.testing.assert_close(found_gradient, expected_gradient, rtol=1e-10, atol=1e-12)

    def test_no_grad_gives_the_same_value(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        with torch.no_grad():
            alone = loss(logits, target)
        with torch.inference_mode():
            inference = loss(logits, target)
        expected = loss(logits.requires_grad_(), target)
        torch.testing.assert_close(alone, expected, check_stride=False)
        torch.testing.assert_close(inference.clone(), expected)

    def test_a_loss_made_in_inference_mode_is_the_same_loss(self, logits: Tensor, target: Tensor) -> None:
        expected = self.make()(logits.requires_grad_(), target)
        (expected_gradient,) = torch.autograd.grad(expected, logits)
        with torch.inference_mode():
            made, copied = self.make(), copy.deepcopy(self.make())
            torch.testing.assert_close(made(logits.detach(), target).clone(), expected)
        for loss in (made, copied):
            for _ in range(2):
                found = loss(logits, target)
                torch.testing.assert_close(found, expected)
                torch.testing.assert_close(torch.autograd.grad(found, logits)[0], expected_gradient)

    def test_gradcheck_once_and_twice(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        logits.requires_grad_()
        assert torch.autograd.gradcheck(loss, (logits, target), atol=1e-6)
        assert torch.autograd.gradgradcheck(loss, (logits, target), atol=1e-6)

    def test_backward_twice_through_one_graph(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        value = loss(logits.requires_grad_(), target)
        first = torch.autograd.grad(value, logits, retain_graph=True)[0].clone()
        second = torch.autograd.grad(3.0 * value, logits)[0]
        torch.testing.assert_close(second, 3.0 * first)

    @pytest.mark.parametrize("class_reduction", CLASS_REDUCTIONS)
    def test_reductions(self, logits: Tensor, target: Tensor, class_reduction: str) -> None:
        size = 1 if class_reduction == "sum" else logits.shape[-1]
        losses = {name: self.make(class_reduction=class_reduction, reduction=name) for name in ("mean", "sum", "none")}
        per_sample = self.reference(self.make(), logits, target) / size
        weights = torch.arange(1.0, 6.0, dtype=torch.float64)
        logits.requires_grad_()
        found = losses["none"](logits, target)
        assert found.shape == (5,)
        torch.testing.assert_close(found, per_sample, check_stride=False)
        torch.testing.assert_close(losses["mean"](logits, target), per_sample.mean())
        torch.testing.assert_close(losses["sum"](logits, target), per_sample.sum())
        (weighted,) = torch.autograd.grad(found @ weights, logits)
        expected = self.reference(self.make(), logits, target) / size
        torch.testing.assert_close(weighted, torch.autograd.grad(expected @ weights, logits)[0])

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_an_empty_batch_costs_nothing(self, logits: Tensor, target: Tensor, reduction: str) -> None:
        nothing = torch.zeros(5, dtype=torch.bool)
        logits.requires_grad_()
        loss = self.make(reduction=reduction)(logits[nothing], target[nothing])
        assert torch.equal(loss.detach(), torch.zeros((0,) if reduction == "none" else (), dtype=torch.float64))
        loss.sum().backward()
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_vmap_equals_loop(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        batches = torch.stack([logits, logits + 1.0, 2.0 * logits])
        value = torch.func.grad_and_value(loss)
        found_gradients, found = torch.vmap(value, in_dims=(0, None))(batches, target)
        expected_gradients, expected = zip(*(value(batch, target) for batch in batches), strict=True)
        torch.testing.assert_close(found, torch.stack(expected))
        torch.testing.assert_close(found_gradients, torch.stack(expected_gradients))
        eager = batches.clone().requires_grad_()
        sum(loss(batch, target) for batch in eager).backward()
        torch.testing.assert_close(found_gradients, eager.grad)

    def test_smoothing_is_a_change_of_labels(self, logits: Tensor) -> None:
        target, num_classes = torch.tensor([0, 1, 1, 0, 1]), logits.shape[-1]
        labels = torch.nn.functional.one_hot(target, num_classes) * 0.7 + 0.3 / num_classes
        smoothed = self.make(label_smoothing=0.3)(logits, target)
        torch.testing.assert_close(smoothed, self.make()(logits, labels.double()))

    def test_gamma_is_the_negative_slope(self, logits: Tensor, target: Tensor) -> None:
        if not self.has_elementwise:
            pytest.skip("gamma is not defined for a loss of unscaled logits")
        loss = self.make()
        h, y = logits.softmax(-1).requires_grad_(), label_distribution(logits, target)
        (slope,) = torch.autograd.grad(loss.elementwise(h, y).sum(), h)
        torch.testing.assert_close(loss.gamma(h.detach(), y), -slope, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("scale", [1e2, 1e4])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_saturated_logits(self, logits: Tensor, scale: float, dtype: torch.dtype) -> None:
        saturated = (logits.sign() * scale).to(dtype)
        saturated[0] = 0.0
        for label in (0, 1):
            inputs = saturated.clone().requires_grad_()
            loss = self.make()(inputs, torch.full((5,), label))
            if self.finite_when_saturated:
                loss.backward()
                assert loss.isfinite()
                assert inputs.grad.isfinite().all()
            else:
                assert not loss.isnan()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_value_is_single_precision_under_autocast(self, logits: Tensor, target: Tensor, dtype: torch.dtype) -> None:
        half = logits.to(dtype).requires_grad_()
        if target.is_floating_point():
            target = target.to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = self.make()(half, target)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, self.make()(half.float(), target))
        found.backward()
        assert half.grad.dtype == dtype

    def test_half_module_keeps_its_parameters(self, logits: Tensor, target: Tensor) -> None:
        torch.testing.assert_close(self.make().half()(logits, target), self.make()(logits, target))

    def test_it_goes_where_there_is_no_double_precision(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        moved = copy.deepcopy(loss)._apply(to_mps).to("meta").to_empty(device="cpu")
        assert torch.equal(moved(logits, target), loss(logits, target))
        h = torch.empty(logits.shape, device="meta", requires_grad=True)
        y = torch.empty(target.shape, device="meta") if target.is_floating_point() else target.to("meta")
        with MetaWithoutDouble():
            (gradient,) = torch.autograd.grad(moved(h, y), h, create_graph=True)
            gradient.sum().backward()
            assert h.grad.shape == h.shape
            if self.has_elementwise:
                assert moved.gamma(h.detach(), torch.zeros_like(h)).is_meta

    def test_a_meta_context_does_not_swallow_its_numbers(self, loss: Loss, logits: Tensor, target: Tensor) -> None:
        with torch.device("meta"):
            again = Loss.from_dict(loss.to_dict())
        assert torch.equal(again(logits, target), loss(logits, target))

    def test_stored_form_round_trip(self, loss: Loss, logits: Tensor, target: Tensor, tmp_path: Any) -> None:
        save_loss(loss, tmp_path / "loss.json")
        for again in (
            load_loss(tmp_path / "loss.json"),
            type(loss).from_dict(json.loads(json.dumps(loss.to_dict()))),
            Loss.from_dict(loss.to_dict()),
        ):
            assert type(again) is type(loss)
            assert again.to_dict() == loss.to_dict()
            assert torch.equal(again(logits, target), loss(logits, target))

    def test_state_dict_is_empty(self) -> None:
        assert self.make().state_dict() == {}

    @pytest.mark.parametrize("class_reduction", CLASS_REDUCTIONS)
    def test_python_formula_is_the_loss(self, logits: Tensor, target: Tensor, class_reduction: str) -> None:
        loss = self.make(class_reduction=class_reduction, reduction="none")
        y = label_distribution(logits, target)
        values = {"h": logits.softmax(-1).numpy(), "y": y.numpy(), "f": logits.numpy(), "t": loss.progress}
        found = evaluate(loss.formula("python"), values)
        torch.testing.assert_close(torch.from_numpy(found), loss(logits, target), rtol=1e-10, atol=1e-11)

    @pytest.mark.parametrize("class_reduction", CLASS_REDUCTIONS)
    def test_other_formulas_are_one_line(self, class_reduction: str) -> None:
        loss = self.make(class_reduction=class_reduction)
        latex, unicode = loss.formula("latex"), loss.formula("unicode")
        assert "\n" not in latex + unicode
        assert latex.startswith("L = ")
        assert latex.count("{") == latex.count("}")
        size = "C" if self.sums_symbol else "2"
        assert (f"frac{{1}}{{{size}}}" in latex) == (f"(1/{size})" in unicode) == (class_reduction == "mean")
        assert ("Σᵢ" in unicode) == self.sums_symbol
        assert "*" not in unicode


def evaluate(formula: str, values: dict[str, Any]) -> np.ndarray:
    """Evaluate a Python formula over arrays without eval: names, numbers, arithmetic, functions, sum and mean."""
    binary: dict[type, Callable[..., Any]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: operator.pow,
    }
    names = ("log", "sqrt", "exp", "abs", "sign", "log1p", "expm1")
    functions = {name: getattr(np, name) for name in names}

    def walk(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return values[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -walk(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return binary[type(op)](walk(left), walk(right))
            case ast.Subscript(value=array):
                return walk(array)[..., node.slice.elts[1].value]  # of a loss that tells its two classes apart
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return functions[name](walk(argument))
            case ast.Call(func=ast.Attribute(value=array, attr=("sum" | "mean") as method), args=[axis]):
                return getattr(walk(array), method)(walk(axis))
        raise AssertionError(f"{ast.unparse(node)} is not part of a formula")

    with np.errstate(invalid="ignore", divide="ignore"):
        result = walk(ast.parse(formula, mode="eval").body)
    assert math.prod(result.shape) == len(result)
    return np.asarray(result)
