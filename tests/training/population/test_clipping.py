"""Each model's gradients are clipped as torch clips those of one model."""

import pytest
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from glo_lightning.training.population.clipping import make_clipping

SHAPES = [(4, 3), (5,), ()]


@pytest.mark.parametrize("algorithm", ["norm", "value", None])
@pytest.mark.parametrize("threshold", [0.1, 1.0, 100.0])
def test_clips_as_torch_does(algorithm: str | None, threshold: float) -> None:
    gradients = [torch.randn(3, *shape, dtype=torch.float64) for shape in SHAPES]
    clipped = [gradient.clone() for gradient in gradients]
    clip = make_clipping(threshold, algorithm)
    assert clip is not None
    clip(clipped)
    for model in range(3):
        parameters = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in SHAPES]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient[model].clone()
        (clip_grad_value_ if algorithm == "value" else clip_grad_norm_)(parameters, threshold)
        for got, parameter in zip(clipped, parameters, strict=True):
            torch.testing.assert_close(got[model], parameter.grad)


def test_a_model_that_overflows_clips_no_other() -> None:
    gradient = torch.tensor([[float("nan")], [float("inf")], [0.5]])
    clip = make_clipping(1.0, "norm")
    assert clip is not None
    clip([gradient])
    assert gradient[2].item() == 0.5


@pytest.mark.parametrize("value", [None, 0, 0.0])
def test_no_clipping(value: float | None) -> None:
    assert make_clipping(value, "norm") is None
