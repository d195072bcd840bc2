"""The LightningModule that trains a network with whatever loss sits in ``loss_fn``; what it measures, others say."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, MultiStepLR

from glo_lightning.errors import ModelError
from glo_lightning.losses import Outputs

Batch = tuple[Tensor, Tensor]


class NetworkModule(LightningModule):
    """A network, an optimizer and a replaceable training loss.

    Training minimises ``loss_fn``, until a callback puts a candidate there. A subclass says what validation and test
    measure.

    Args:
        network: maps inputs (N, ...) to outputs (N, C).
        loss: what ``loss_fn`` is.
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
    """

    outputs: ClassVar[Outputs]
    """What the network's outputs mean."""

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        learning_rate: float = 0.1,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        optimizer: Literal["sgd", "adam", "adamw"] = "sgd",
        scheduler: Literal["constant", "step", "cosine"] = "constant",
        milestones: Sequence[int] = (),
        decay: float = 0.1,
    ) -> None:
        super().__init__()
        require_argument(learning_rate > 0.0, "a positive learning_rate", learning_rate, "Try 0.1 for SGD.")
        require_argument(0.0 <= momentum < 1.0, "momentum in [0, 1)", momentum, "Use 0.9, or 0.0 for none.")
        require_argument(not nesterov or momentum > 0.0, "momentum above 0 with nesterov", momentum, "Use 0.9.")
        require_argument(weight_decay >= 0.0, "weight_decay of 0 or more", weight_decay, "Use 0.0 for none.")
        require_argument(optimizer in ("sgd", "adam", "adamw"), "'sgd', 'adam' or 'adamw'", optimizer, "Use 'sgd'.")
        require_argument(
            scheduler in ("constant", "step", "cosine"),
            "'constant', 'step' or 'cosine'",
            scheduler,
            "Use 'constant'.",
        )
        require_argument(0.0 < decay <= 1.0, "decay in (0, 1]", decay, "Use 0.1 to divide by ten.")
        require_argument(
            list(milestones) == sorted(milestones) and (scheduler != "step" or len(milestones) > 0),
            "milestones in order, at least one for scheduler='step'",
            list(milestones),
            "List the epochs at which the learning rate falls, e.g. milestones=[81, 122].",
        )
        self.network = network
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.milestones = tuple(milestones)
        self.decay = decay
        self.loss_fn = loss

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook it runs some twenty times a step. The search nn.Module makes for parameters and
        # submodules costs 5% of a small fit, and a string can be neither.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the network returns for inputs (N, ...)."""
        outputs: Tensor = self.network(inputs)
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the training loss of a batch; logs nothing, because logging each step is slow."""
        inputs, target = batch
        loss: Tensor = self.loss_fn(self(inputs), target)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget what an epoch that was interrupted has measured."""
        self._forget()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect what :meth:`on_validation_epoch_end` logs."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log what the epoch measured, by names that begin with ``val_``."""
        self._log("val", prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Forget what an epoch that was interrupted has measured."""
        self._forget()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect what :meth:`on_test_epoch_end` logs."""
        self._collect(batch)

    def on_test_epoch_end(self) -> None:
        """Log what the epoch measured, by names that begin with ``test_``."""
        self._log("test")

    def _forget(self) -> None:
        raise NotImplementedError

    def _collect(self, batch: Batch) -> None:
        raise NotImplementedError

    def _log(self, split: str, prog_bar: bool = False) -> None:
        raise NotImplementedError

    def make_optimizer(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Build this model's optimizer over any parameters, its own or a stack of many networks'."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                parameters,
                lr=self.learning_rate,
                momentum=self.momentum,
                nesterov=self.nesterov,
                weight_decay=self.weight_decay,
            )
        adam = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
        return adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)

    def make_scheduler(self, optimizer: Optimizer, num_epochs: int) -> LRScheduler:
        """Build this model's schedule, which steps once per epoch of ``num_epochs``; a subclass may have its own."""
        if self.scheduler == "step":
            return MultiStepLR(optimizer, list(self.milestones), self.decay)
        if self.scheduler == "cosine":
            return CosineAnnealingLR(optimizer, num_epochs)
        return ConstantLR(optimizer, factor=1.0)

    def configure_optimizers(self) -> Optimizer | OptimizerLRSchedulerConfig:
        """Return the optimizer, and the schedule unless it is ours and constant."""
        optimizer = self.make_optimizer(self.parameters())
        has_own = is_overridden("make_scheduler", self, NetworkModule)
        if self.scheduler == "constant" and not has_own:
            return optimizer
        num_epochs = self.trainer.max_epochs or 0
        require_argument(
            num_epochs > 0 or self.scheduler != "cosine",
            "a number of epochs for scheduler='cosine'",
            num_epochs,
            "Set max_epochs of the Trainer.",
        )
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer, num_epochs)}


def require_argument(condition: bool, expected: str, got: object, cure: str) -> None:
    """Refuse an argument of a model.

    Raises:
        ModelError: unless the condition holds.
    """
    if not condition:
        raise ModelError(expected, repr(got), cure)
