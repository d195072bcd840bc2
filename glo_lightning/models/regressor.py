"""The LightningModule that trains a network to predict numbers with whatever loss sits in ``loss_fn``."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, R2Score

from glo_lightning.losses import Outputs, ResidualLoss
from glo_lightning.models.network_module import Batch, NetworkModule


class Regressor(NetworkModule):
    """A network that predicts numbers, an optimizer and a replaceable training loss.

    Training minimises ``loss_fn``, the squared error until a callback puts a candidate there. Validation and test log
    the mean squared error as ``val_loss``, the mean absolute error as ``val_mae``, and R² (1 for a perfect prediction,
    0 for one of the mean) as ``val_r2``, or ``test_loss`` and so on; never the candidate, so that scores of different
    losses compare.

    Args:
        network: maps inputs (N, ...) to predictions (N, D), the shape of the targets.
        learning_rate: of the first epoch, positive.
        momentum: of SGD, in [0, 1).
        nesterov: whether SGD looks ahead; needs a positive momentum.
        weight_decay: not negative; decoupled in ``"adamw"``, an L2 penalty otherwise.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        scheduler: ``"constant"``, ``"step"`` (times ``decay`` at each milestone) or ``"cosine"`` (to zero at the
            last epoch).
        milestones: epochs, in order, at which ``"step"`` decays; twice at one that occurs twice.
        decay: factor in (0, 1] of ``"step"``.

    Raises:
        ModelError: if an argument is outside its range.

    Example:
        >>> import torch
        >>> from glo_lightning.models import mlp
        >>> Regressor(mlp(num_classes=1, in_features=10))(torch.zeros(5, 10)).shape
        torch.Size([5, 1])
    """

    outputs: ClassVar[Outputs] = "real"

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        optimizer: Literal["sgd", "adam", "adamw"] = "sgd",
        scheduler: Literal["constant", "step", "cosine"] = "constant",
        milestones: Sequence[int] = (),
        decay: float = 0.1,
    ) -> None:
        super().__init__(
            network,
            ResidualLoss(),
            learning_rate,
            momentum,
            nesterov,
            weight_decay,
            optimizer,
            scheduler,
            milestones,
            decay,
        )
        self.save_hyperparameters(ignore=["network"])
        self.measures = MetricCollection({"loss": MeanSquaredError(), "mae": MeanAbsoluteError(), "r2": R2Score()})

    def _forget(self) -> None:
        self.measures.reset()

    def _collect(self, batch: Batch) -> None:
        inputs, target = batch
        self.measures.update(self(inputs).contiguous(), target)  # torchmetrics wants one view of all

    def _log(self, split: str, prog_bar: bool = False) -> None:
        measured = self.measures.compute()
        self.log_dict({f"{split}_{name}": each for name, each in measured.items()}, prog_bar=prog_bar, sync_dist=True)
        self._forget()
