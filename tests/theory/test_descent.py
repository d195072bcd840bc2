"""The start of losses of real-valued predictions, against steps that are really taken."""

import math

import pytest
import torch

from glo_lightning.losses import AbsoluteErrorLoss, HuberLoss, Loss, ResidualLoss, ScaledLoss
from glo_lightning.theory import FirstBatch, descends, startup_descent

GENERATOR = torch.Generator().manual_seed(0)
TARGETS = 5.0 + 3.0 * torch.randn(60, 2, dtype=torch.float64, generator=GENERATOR)
BATCH = FirstBatch(0.1 * torch.randn(60, 2, dtype=torch.float64, generator=GENERATOR), TARGETS)

LOSSES: dict[str, Loss] = {
    "squared error": ResidualLoss(),
    "another unit": ResidualLoss(sigma=77.0),
    "Cauchy": ResidualLoss(0.0, sigma=3.0),
    "skewed": ResidualLoss(1.0, 0.5, -0.9, sigma=[3.0, 2.0]),
    "Huber": HuberLoss(0.5, 3.0),
    "absolute error": AbsoluteErrorLoss(3.0),
    "scaled": ScaledLoss(HuberLoss(0.5, 3.0), 2.5),
    "uphill": ScaledLoss(ResidualLoss(), -1.0),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_it_is_the_change_of_the_squared_error_in_a_small_step(loss: Loss) -> None:
    """Relative to what a step of the same size down the squared error changes."""

    def change(descended: Loss) -> float:
        step = torch.func.grad(lambda f: descended(f, TARGETS))(BATCH.predictions)
        after = BATCH.predictions - 1e-6 * step
        return float(((after - TARGETS) ** 2).mean() - ((BATCH.predictions - TARGETS) ** 2).mean())

    assert startup_descent(loss, BATCH) == pytest.approx(change(loss) / change(ResidualLoss()), rel=1e-5)


def test_verdicts_are_by_its_sign() -> None:
    verdict = descends(HuberLoss(), BATCH)
    assert (verdict.exact, verdict.stable, verdict.paper, verdict.reason) == (True, True, None, "")
    assert verdict.violation("exact") == 0.0
    verdict = descends(ScaledLoss(HuberLoss(), -1.0), BATCH)
    assert (verdict.exact, verdict.stable) == (False, False)
    assert "training starts uphill" in verdict.reason
    assert verdict.violation("exact") == verdict.violation("stable") == -verdict.drive > 0.0


def test_where_every_prediction_is_right_there_is_no_start() -> None:
    batch = FirstBatch(TARGETS, TARGETS)
    assert math.isnan(startup_descent(ResidualLoss(), batch))
    verdict = descends(ResidualLoss(), batch)
    assert not verdict.exact
    assert "undefined" in verdict.reason
