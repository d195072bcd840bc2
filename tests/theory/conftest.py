"""Losses that the theory must be right about."""

import pytest

from glo_lightning.losses import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    PolyLoss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
    cross_entropy_taylor,
    named_loss,
)

FAMILIES: dict[str, Loss] = {
    "cross_entropy": CrossEntropyLoss(),
    "smoothed_cross_entropy": CrossEntropyLoss(label_smoothing=0.1),
    "mse": MeanSquaredErrorLoss(),
    "mse_mean": MeanSquaredErrorLoss(class_reduction="mean"),
    "baikal": BaikalLoss(),
    "baikal_cma": BaikalCMALoss(),
    "focal": FocalLoss(2.0),
    "poly": PolyLoss(1.5),
    "scaled": ScaledLoss(MeanSquaredErrorLoss(class_reduction="mean"), -3.0),
    "taylorglo_1": named_loss("taylorglo_1"),
    "taylorglo_2": named_loss("taylorglo_2"),
    "taylor_order_1": TaylorLoss([0.3, 0.2, 1.5], order=1),
    "taylor_order_5": cross_entropy_taylor(5),
    "taylor_smoothed": TaylorLoss([0.3, -0.2, 1.0, -2.0, 0.7, 3.0, 0.4, -1.1], label_smoothing=0.2),
    "taylor_progress": TaylorLoss([0.1 * k - 0.5 for k in range(13)], inputs=("y", "h", "t")),
    "tree": TreeLoss("log(h) - y / square(h)"),
}


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def loss(request: pytest.FixtureRequest) -> Loss:
    return request.param


@pytest.fixture(params=[2, 3, 10, 100])
def num_classes(request: pytest.FixtureRequest) -> int:
    return request.param
