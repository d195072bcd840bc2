"""Activations as something to choose."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from glo_lightning import models
from glo_lightning.errors import ModelError
from glo_lightning.models import TaylorActivation
from glo_lightning.training.population.layers import split_layers


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=8), st.floats(-3, 3))
def test_it_is_the_polynomial(coefficients: list[float], center: float) -> None:
    x = torch.linspace(-2.0, 2.0, 7, dtype=torch.float64)
    expected = np.polynomial.Polynomial(coefficients)(x.numpy() - center)
    np.testing.assert_allclose(TaylorActivation(coefficients, center)(x).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_its_gradient_is_the_polynomials() -> None:
    x = torch.linspace(-2.0, 2.0, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(TaylorActivation([0.1, -0.2, 0.3, 0.4], 0.5), x)


def test_by_default_it_is_near_swish() -> None:
    x = torch.linspace(-1.0, 1.0, 21)
    torch.testing.assert_close(TaylorActivation()(x), nn.SiLU()(x), atol=3e-4, rtol=0.0)


@pytest.mark.parametrize("arguments", [([],), ([math.nan],), ([1.0, math.inf],), ([1.0], math.inf)])
def test_numbers_that_are_none_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ModelError, match="finite"):
        TaylorActivation(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("build", [models.mlp, models.allcnn_c, models.wide_resnet])
def test_a_network_has_no_other_activation_than_the_one_chosen(build) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        plain, other = build(), build(activation=nn.SiLU)
    count = [sum(isinstance(module, kind) for module in plain.modules()) for kind in (nn.ReLU, nn.SiLU)]
    assert [sum(isinstance(module, kind) for module in other.modules()) for kind in (nn.SiLU, nn.ReLU)] == count
    assert count[1] == 0


def test_a_stack_of_models_computes_it_without_vmap() -> None:
    layers = split_layers(models.mlp(activation=TaylorActivation))
    assert [layer.kernel.__name__ for layer in layers if isinstance(layer.module, TaylorActivation)] == ["_pointwise"]
