"""The space of residual losses."""

import math

import torch

from glo_lightning.losses import ResidualLoss
from glo_lightning.search.spaces.residual import ResidualSpace


def test_it_starts_at_torchs_squared_error() -> None:
    space = ResidualSpace(sigma=77.0)
    start = dict(zip(space.distributions, space.cross_entropy, strict=True))
    f, y = torch.randn(2, 9, 1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.build(start)(f, y), torch.nn.functional.mse_loss(f, y))


def test_parameters_are_those_of_the_loss_within_what_it_takes() -> None:
    space = ResidualSpace(sigma=[2.0, 3.0])
    found = space.build({"alpha": -1.0, "log_scale": math.log(0.3), "skew": 0.4})
    assert found.to_dict() == ResidualLoss(-1.0, math.exp(math.log(0.3)), 0.4, sigma=[2.0, 3.0]).to_dict()
    for end in ("low", "high"):
        space.build({name: getattr(each, end) for name, each in space.distributions.items()})
