"""Whether a loss of real-valued predictions starts downhill, told from what an untrained model predicts."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glo_lightning.losses import Loss, ResidualLoss
from glo_lightning.theory.trainability import Trainability


@dataclass(frozen=True)
class FirstBatch:
    """What an untrained model predicts.

    Args:
        predictions: shape (N,) or (N, D).
        targets: of the same shape.
    """

    predictions: Tensor
    targets: Tensor


def startup_descent(loss: Loss, batch: FirstBatch) -> float:
    r"""Return how far a loss follows the squared error where training starts.

    .. math:: s = \frac{\langle \partial L / \partial f,\ f - y \rangle}{2 \langle f - y,\ f - y \rangle}

    A step down the loss changes the squared error by s times what its own step would: s acts as a factor of the
    learning rate. Above 0 training starts downhill.

    Args:
        loss: of real-valued predictions.
        batch: the predictions of an untrained model, and the targets.

    Returns:
        s; NaN where the loss is undefined, or every prediction is right.

    Example:
        >>> from glo_lightning.losses import HuberLoss
        >>> batch = FirstBatch(torch.zeros(2), torch.tensor([1.0, -3.0]))
        >>> startup_descent(ResidualLoss(), batch), round(startup_descent(HuberLoss(1.0), batch), 6)
        (1.0, 0.2)

    Source: derivations.md, section 11.
    """
    own, squared = _slopes(loss, batch), _slopes(ResidualLoss(), batch)
    norm = float((squared * squared).sum())
    return float((own * squared).sum()) / norm if norm else math.nan


def descends(loss: Loss, batch: FirstBatch) -> Trainability:
    """Judge whether a loss of real-valued predictions will start, as :func:`trainability` judges losses of classes.

    Args:
        loss: of real-valued predictions.
        batch: the predictions of an untrained model, and the targets.

    Returns:
        The verdict: ``drive`` is :func:`startup_descent`; there is no printed invariant, and nothing to collapse to.
    """
    start = startup_descent(loss, batch)
    return Trainability(
        paper=None,
        exact=start > 0.0,
        stable=start > 0.0,
        drive=start,
        curvature=math.nan,
        ratio=math.nan,
        paper_margin=math.nan,
        kappa=math.inf,
        undefined="no slope at the untrained predictions" if math.isnan(start) else "",
    )


def _slopes(loss: Loss, batch: FirstBatch) -> Tensor:
    predictions, targets = batch.predictions.double(), batch.targets.double()
    slopes: Tensor = torch.func.grad(lambda f: loss.per_class(f, targets).sum())(predictions)
    return slopes
