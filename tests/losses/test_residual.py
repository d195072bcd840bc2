"""Losses of real-valued predictions: closed forms, torch's own losses, the influence, and what all of them must do."""

import json
import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses import (
    AbsoluteErrorLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    HuberLoss,
    LogCoshLoss,
    Loss,
    MeanSquaredErrorLoss,
    QuantileLoss,
    RegressionLoss,
    ResidualLoss,
    ScaledLoss,
    SigmoidLoss,
    StandardizedLoss,
    baseline_loss,
    for_outputs,
    in_units_of,
    known_regression_losses,
    load_losses,
    named_loss,
    save_loss,
)
from glo_lightning.losses.promises import replacement, with_reduction
from glo_lightning.theory import FirstBatch, startup_descent
from tests.losses.contract import evaluate
from tests.losses.without_double import MetaWithoutDouble, to_mps

SIGMA = 2.5
LOSSES: dict[str, RegressionLoss] = {
    "squared error": ResidualLoss(sigma=SIGMA),
    "skewed": ResidualLoss(2.0, skew=-0.4, sigma=SIGMA),
    "pseudo-Huber": ResidualLoss(1.0, 0.5, 0.2, sigma=SIGMA),
    "Cauchy": ResidualLoss(0.0, 2.0, sigma=SIGMA),
    "nearly Cauchy": ResidualLoss(1e-7, 2.0, sigma=SIGMA),
    "Geman-McClure": ResidualLoss(-2.0, 0.7, sigma=SIGMA),
    "Welsch": ResidualLoss(-64.0, 3.0, 0.9, sigma=SIGMA),
    "quartic": ResidualLoss(4.0, sigma=SIGMA),
    "absolute error": AbsoluteErrorLoss(SIGMA),
    "Huber": HuberLoss(0.6, SIGMA),
    "log-cosh": LogCoshLoss(SIGMA),
    "quantile": QuantileLoss(0.9, SIGMA),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)

GENERATOR = torch.Generator().manual_seed(0)
F, Y = (3.0 * torch.randn(40, 3, dtype=torch.float64, generator=GENERATOR) for _ in range(2))
R = (F - Y) / SIGMA


class TestAgainstTorch:
    def test_the_squared_error_is_torchs_whatever_sigma_is(self) -> None:
        for sigma in (1.0, 77.1, [0.1, 1.0, 10.0]):
            torch.testing.assert_close(ResidualLoss(sigma=sigma)(F, Y), functional.mse_loss(F, Y))

    def test_so_are_absolute_error_and_huber(self) -> None:
        torch.testing.assert_close(AbsoluteErrorLoss(SIGMA)(F, Y), functional.l1_loss(F, Y))
        torch.testing.assert_close(HuberLoss(0.6, SIGMA)(F, Y), functional.huber_loss(F, Y, delta=0.6 * SIGMA))

    def test_log_cosh_and_quantiles_are_their_formulas(self) -> None:
        torch.testing.assert_close(LogCoshLoss(SIGMA)(F, Y), (SIGMA**2 * R.cosh().log()).mean())
        below = Y - F
        torch.testing.assert_close(QuantileLoss(0.9)(F, Y), torch.maximum(0.9 * below, -0.1 * below).mean())


BARRON = {
    1.0: lambda x: np.sqrt(x**2 + 1) - 1,
    0.0: lambda x: np.log(x**2 / 2 + 1),
    -2.0: lambda x: 2 * x**2 / (x**2 + 4),
}


@pytest.mark.parametrize("alpha", [1.0, 0.0, -2.0, 1.5, -7.0])
def test_it_is_barrons_loss_with_his_scale(alpha: float) -> None:
    """The closed forms of arXiv:1701.03077, equation 13, whose scale is c sqrt(|alpha - 2|) of ours."""
    x = np.linspace(-8.0, 8.0, 161)
    pull = abs(alpha - 2.0)
    general = (
        (lambda x: pull / alpha * ((x**2 / pull + 1) ** (alpha / 2) - 1)) if alpha not in BARRON else BARRON[alpha]
    )
    found = ResidualLoss(alpha, scale=math.sqrt(pull)).rho(torch.from_numpy(x))
    np.testing.assert_allclose(found, general(x), rtol=1e-12, atol=1e-13)


@settings(max_examples=60)
@given(
    alpha=st.floats(-64, 4), scale=st.floats(0.05, 20), skew=st.floats(-0.99, 0.99), r=st.floats(-30, 30),
)  # fmt: skip
def test_rho_is_the_integral_of_the_stated_influence(alpha: float, scale: float, skew: float, r: float) -> None:
    def psi(x: float) -> float:
        return x * (1 + (x / scale) ** 2) ** ((alpha - 2) / 2) * (1 + skew * np.sign(x))

    loss = ResidualLoss(alpha, scale, skew)
    expected, _ = scipy.integrate.quad(psi, 0.0, r, limit=200, epsrel=1e-10)
    at = torch.tensor(r, dtype=torch.float64)
    assert float(loss.rho(at)) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert float(loss.influence(at)) == pytest.approx(psi(r), rel=1e-9, abs=1e-12)


@every_loss
class TestEveryLoss:
    def test_forward_is_the_mean_over_all_predictions(self, loss: RegressionLoss) -> None:
        values = loss.factor * SIGMA**loss.power * loss.rho(R)
        torch.testing.assert_close(loss(F, Y), values.mean())
        torch.testing.assert_close(with_reduction(loss, "sum")(F, Y), values.sum())
        torch.testing.assert_close(with_reduction(loss, "none")(F, Y), values)
        torch.testing.assert_close(loss(F[:, 0], Y[:, 0]), values[:, 0].mean())
        torch.testing.assert_close(loss(F[:, :1], Y[:, :1]), values[:, 0].mean())

    def test_keeps_what_torchs_own_loss_promises(self, loss: RegressionLoss) -> None:
        for reduction in ("mean", "sum", "none"):
            found = replacement(loss, nn.MSELoss(reduction=reduction))(F, Y)
            torch.testing.assert_close(found, with_reduction(loss, reduction)(F, Y))

    def test_gradcheck_once_and_twice(self, loss: RegressionLoss) -> None:
        f = F[:4].clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: loss(x, Y[:4]), f)
        if loss.family not in ("huber", "absolute_error", "quantile"):
            assert torch.autograd.gradgradcheck(lambda x: loss(x, Y[:4]), f)

    def test_vmap_equals_loop(self, loss: RegressionLoss) -> None:
        batches = torch.stack([F, 2.0 * F, -F])
        found = torch.vmap(torch.func.grad(loss), in_dims=(0, None))(batches, Y)
        torch.testing.assert_close(found, torch.stack([torch.func.grad(loss)(batch, Y) for batch in batches]))

    def test_no_residual_costs_nothing_and_pulls_nowhere(self, loss: RegressionLoss) -> None:
        f = Y.clone().requires_grad_()
        value = loss(f, Y)
        value.backward()
        assert float(value.detach()) == pytest.approx(0.0, abs=1e-12)
        assert f.grad.isfinite().all()
        if loss.family != "quantile":
            torch.testing.assert_close(f.grad, torch.zeros_like(f))

    def test_small_residuals_keep_their_precision(self, loss: RegressionLoss) -> None:
        tiny = torch.tensor([-1e-4, 1e-4])
        if loss.family == "log_cosh":  # the difference of two logarithms
            pytest.skip("its value is rounded, its force is not")
        torch.testing.assert_close(loss.rho(tiny), loss.rho(tiny.double()).float(), rtol=1e-5, atol=0.0)

    def test_an_empty_batch_costs_nothing(self, loss: RegressionLoss) -> None:
        f = F[:0].clone().requires_grad_()
        value = loss(f, Y[:0])
        value.backward()
        assert value == 0.0
        assert f.grad.shape == (0, 3)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_computed_in_single(self, loss: RegressionLoss, dtype: torch.dtype) -> None:
        half = F.to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = loss(half, Y.to(dtype))
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(half.float(), Y.to(dtype).float()))
        torch.testing.assert_close(loss.half()(F, Y), loss(F, Y))

    def test_it_goes_where_there_is_no_double_precision(self, loss: RegressionLoss) -> None:
        moved = Loss.from_dict(loss.to_dict())._apply(to_mps).to("meta")
        f = torch.empty(F.shape, device="meta", requires_grad=True)
        with MetaWithoutDouble():
            moved(f, torch.empty(F.shape, device="meta")).backward()
        assert f.grad.shape == F.shape

    def test_compiled_it_is_the_same(self, loss: RegressionLoss) -> None:
        compiled = torch.compile(loss, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(F, Y), loss(F, Y))

    def test_stored_form_round_trip(self, loss: RegressionLoss) -> None:
        again = Loss.from_dict(json.loads(json.dumps(loss.to_dict())))
        assert type(again) is type(loss)
        assert torch.equal(again(F, Y), loss(F, Y))
        assert again.to_dict() == loss.to_dict()
        assert loss.state_dict() == {}

    def test_python_formula_is_the_loss(self, loss: RegressionLoss) -> None:
        for each in (loss, ScaledLoss(loss, 0.3)):
            f, y = F.flatten(), Y.flatten()
            found = evaluate(each.formula("python"), {"f": f.numpy(), "y": y.numpy()})
            torch.testing.assert_close(torch.from_numpy(found), with_reduction(each, "none")(f, y))

    def test_other_formulas_are_one_line(self, loss: RegressionLoss) -> None:
        latex, unicode = loss.formula("latex"), loss.formula()
        assert latex.startswith("L = ")
        assert latex.count("{") == latex.count("}")
        assert "\n" not in latex + unicode
        assert "*" not in unicode
        assert unicode.endswith("r = (f − y)/2.5")

    def test_elementwise_and_gamma_are_of_the_prediction(self, loss: RegressionLoss) -> None:
        f = F.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss.elementwise(f, Y).sum(), f)
        torch.testing.assert_close(loss.gamma(F, Y), -slope)
        torch.testing.assert_close(slope, loss.factor * SIGMA ** (loss.power - 1) * loss.influence(R))


KNOWN = {
    "squared_error": lambda r: r**2,
    "absolute_error": lambda r: r.abs() / SIGMA,
    "huber": lambda r: torch.where(r.abs() < 1.0, r**2 / 2.0, r.abs() - 0.5),
    "pseudo_huber": lambda r: 2.0 * ((1.0 + r**2).sqrt() - 1.0),
    "log_cosh": lambda r: r.cosh().log(),
    "cauchy": lambda r: (1.0 + r**2).log(),
    "geman_mcclure": lambda r: r**2 / (1.0 + r**2),
}


@pytest.mark.parametrize("name", known_regression_losses())
def test_known_losses_are_those_of_the_literature(name: str) -> None:
    known = known_regression_losses(SIGMA)[name]
    torch.testing.assert_close(known.loss(F, Y), (SIGMA**2 * KNOWN[name](R)).mean())
    assert known.source
    assert startup_descent(known.loss, FirstBatch(F, Y)) > 0.0


def test_several_predictions_have_a_spread_each() -> None:
    spread = [0.5, 1.0, 20.0]
    together = HuberLoss(1.0, spread, reduction="none")(F, Y)
    apart = [HuberLoss(1.0, each, reduction="none")(F[:, place], Y[:, place]) for place, each in enumerate(spread)]
    torch.testing.assert_close(together, torch.stack(apart, 1))
    assert "σ" in HuberLoss(1.0, spread).formula()
    with pytest.raises(LossError, match="Export it"):
        HuberLoss(1.0, spread).formula("python")
    with pytest.raises(LossError, match=r"predictions of shape \(N, 3\).*one sigma, or one for each"):
        HuberLoss(1.0, spread)(F[:, :2], Y[:, :2])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ResidualLoss(4.1), "alpha from -64 to 4"),
        (lambda: ResidualLoss(math.nan), "finite number for alpha"),
        (lambda: ResidualLoss(scale=0.0), "scale from 1e-06"),
        (lambda: ResidualLoss(scale=-1.0), "scale from 1e-06"),
        (lambda: ResidualLoss(skew=1.0), r"skew in \(-1, 1\)"),
        (lambda: ResidualLoss(sigma=0.0), "sigma above 0.*target.std"),
        (lambda: ResidualLoss(sigma=[1.0, -1.0]), "sigma above 0"),
        (lambda: ResidualLoss(sigma=[]), "sigma above 0"),
        (lambda: ResidualLoss(sigma="1"), "finite number for sigma"),
        (lambda: ResidualLoss(reduction="max"), "reduction 'mean'"),
        (lambda: HuberLoss(0.0), "delta above 0"),
        (lambda: HuberLoss(1e308), "that single precision can hold"),
        (lambda: QuantileLoss(1.0), r"quantile in \(0, 1\)"),
        (lambda: SigmoidLoss(ResidualLoss()), "a loss of classes inside SigmoidLoss"),
        (lambda: ClassAwareLoss(ResidualLoss(), [1, 2]), "a loss of classes inside ClassAwareLoss"),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, words: str) -> None:
    with pytest.raises(LossError, match=words):
        make()


def test_a_stored_form_with_such_numbers_is_refused() -> None:
    stored = ResidualLoss().to_dict()
    for name, value in (("alpha", 9.0), ("scale", 0.0), ("skew", 2.0), ("sigma", -1.0), ("sigma", [1.0, "2"])):
        with pytest.raises(LossFileError):
            Loss.from_dict({**stored, "parameters": {**stored["parameters"], name: value}})


@pytest.mark.parametrize(
    ("prediction", "target", "cure"),
    [
        (torch.zeros(8, 1), torch.zeros(8), r"target.view_as\(prediction\)"),
        (torch.zeros(8), torch.zeros(8, 1), r"target.view_as\(prediction\)"),
        (torch.zeros(8, 2), torch.zeros(8, 1), "one output for each number"),
        (torch.zeros(8, 1), torch.zeros(8, 1, dtype=torch.int64), r"target.float\(\)"),
        (torch.zeros(8, 3, 2), torch.zeros(8, 3, 2), r"f.flatten\(1\)"),
        (torch.tensor(0.0), torch.tensor(0.0), r"\(N,\), \(N, 1\) or \(N, D\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_cure(prediction: Tensor, target: Tensor, cure: str) -> None:
    for loss in (ResidualLoss(), ScaledLoss(HuberLoss(), 2.0)):
        with pytest.raises(LossError, match=cure):
            loss(prediction, target)


def test_names_and_kinds_of_outputs_go_together(tmp_path: Any) -> None:
    assert baseline_loss("real").to_dict() == ResidualLoss().to_dict()
    assert [baseline_loss(each).family for each in ("softmax", "sigmoid")] == ["cross_entropy", "sigmoid"]
    assert ScaledLoss(HuberLoss(), 2.0).outputs == "real"
    assert in_units_of(named_loss("huber"), 3.0).to_dict() == HuberLoss(sigma=3.0).to_dict()
    assert in_units_of(CrossEntropyLoss(), 3.0).family == "cross_entropy"
    names = ["squared_error", "absolute_error", "huber", "log_cosh", "quantile"]
    assert all(loss.outputs == "real" for loss in load_losses(names, "real").values())
    save_loss(CrossEntropyLoss(), tmp_path / "a.json")
    save_loss(ResidualLoss(), tmp_path / "b.json")
    for names, outputs in ((["huber"], "softmax"), (["mse"], "real"), ([str(tmp_path / "b.json")], "sigmoid")):
        with pytest.raises(LossError, match="real"):
            load_losses(names, outputs)
    with pytest.raises(LossError, match="outputs='real'"):
        for_outputs(CrossEntropyLoss(), "real")
    assert len(load_losses([str(tmp_path / "a.json"), str(tmp_path / "b.json")], outputs=None)) == 2


def test_the_cure_of_a_sigma_works_to_the_letter() -> None:
    target = torch.tensor([[0.0, 2.0], [4.0, 10.0]])
    spreads: Any
    for spreads in (target.std(0), target.std(0).numpy(), list(target.std(0))):
        assert ResidualLoss(sigma=spreads).to_dict() == ResidualLoss(sigma=target.std(0).tolist()).to_dict()
    one: Any
    for one in (target.std(), target.std().numpy(), target.numpy().std(ddof=1)):
        assert float(ResidualLoss(sigma=one).sigma) == pytest.approx(float(target.std()))
    centre: Any = target.mean(0)
    made = StandardizedLoss(MeanSquaredErrorLoss(), centre, target.std(0))  # type: ignore[arg-type]
    assert made.mean.tolist() == centre.tolist()
