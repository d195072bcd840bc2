"""The LightningModule that trains a network with whatever loss sits in ``loss_fn``."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, MultiStepLR
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss

Batch = tuple[Tensor, Tensor]


class Classifier(LightningModule):
    """A network, an optimizer and a replaceable training loss.

    Training minimises ``loss_fn``, cross-entropy until a callback puts a candidate there. Validation and test report
    accuracy, balanced accuracy (the mean over classes), the worst class's accuracy, and cross-entropy as the loss;
    never the candidate, so that scores of different losses compare.

    Args:
        network: maps inputs (N, ...) to logits (N, C); in training it may return a tuple, the logits of several heads.
        num_classes: C; read from the network's last layer when not given.
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
        ModelError: if an argument is outside its range, or the number of classes cannot be read.

    Example:
        >>> from glo_lightning.models import mlp
        >>> model = Classifier(mlp(num_classes=3), learning_rate=0.1)
        >>> model.num_classes, model(torch.zeros(5, 64)).shape
        (3, torch.Size([5, 3]))
    """

    def __init__(
        self,
        network: nn.Module,
        num_classes: int | None = None,
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
        self.save_hyperparameters(ignore=["network"])
        _require(learning_rate > 0.0, "a positive learning_rate", learning_rate, "Try 0.1 for SGD.")
        _require(0.0 <= momentum < 1.0, "momentum in [0, 1)", momentum, "Use 0.9, or 0.0 for none.")
        _require(not nesterov or momentum > 0.0, "momentum above 0 with nesterov", momentum, "Use 0.9.")
        _require(weight_decay >= 0.0, "weight_decay of 0 or more", weight_decay, "Use 0.0 for none.")
        _require(optimizer in ("sgd", "adam", "adamw"), "'sgd', 'adam' or 'adamw'", optimizer, "Use 'sgd'.")
        _require(
            scheduler in ("constant", "step", "cosine"),
            "'constant', 'step' or 'cosine'",
            scheduler,
            "Use 'constant'.",
        )
        _require(0.0 < decay <= 1.0, "decay in (0, 1]", decay, "Use 0.1 to divide by ten.")
        _require(
            list(milestones) == sorted(milestones) and (scheduler != "step" or len(milestones) > 0),
            "milestones in order, at least one for scheduler='step'",
            list(milestones),
            "List the epochs at which the learning rate falls, e.g. milestones=[81, 122].",
        )
        self.network = network
        self.num_classes = _count_classes(network) if num_classes is None else num_classes
        _require(self.num_classes >= 2, "num_classes of 2 or more", self.num_classes, "Count the labels.")
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.milestones = tuple(milestones)
        self.decay = decay
        self.loss_fn: nn.Module = CrossEntropyLoss()
        self.confusion = MulticlassConfusionMatrix(self.num_classes, validate_args=False)
        # A NaN must reach the log: by default torchmetrics leaves it out of the mean.
        self.mean_loss = MeanMetric(nan_strategy="disable")

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the hook it runs some twenty times a step. The search nn.Module makes for parameters and
        # submodules costs 5% of a small fit, and a string can be neither.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (N, C) for inputs (N, ...); in training, what the network returns."""
        logits: Tensor = self.network(inputs)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the training loss of a batch; logs nothing, because logging each step is slow."""
        inputs, target = batch
        loss: Tensor = self.loss_fn(self(inputs), target)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect what :meth:`on_validation_epoch_end` logs."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log ``val_accuracy``, ``val_balanced_accuracy``, ``val_worst_class_accuracy`` and ``val_loss``."""
        self._log("val", prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect what :meth:`on_test_epoch_end` logs."""
        self._collect(batch)

    def on_test_epoch_end(self) -> None:
        """Log ``test_accuracy`` and the others."""
        self._log("test")

    def _collect(self, batch: Batch) -> None:
        inputs, target = batch
        logits = self(inputs)
        self.confusion.update(logits, target)
        self.mean_loss.update(cross_entropy(logits, target, reduction="none"))

    def _log(self, split: str, prog_bar: bool = False) -> None:
        confusion = self.confusion.compute()
        metrics = accuracies(confusion.diagonal(), confusion.sum(-1))
        self.log_dict({f"{split}_{name}": each for name, each in metrics.items()}, prog_bar=prog_bar, sync_dist=True)
        self.log(f"{split}_loss", self.mean_loss.compute(), prog_bar=prog_bar, sync_dist=True)
        self.confusion.reset()
        self.mean_loss.reset()

    def make_optimizer(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Build this classifier's optimizer over any parameters, its own or a stack of many networks'."""
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
        """Build this classifier's schedule, which steps once per epoch of ``num_epochs``."""
        if self.scheduler == "step":
            return MultiStepLR(optimizer, list(self.milestones), self.decay)
        if self.scheduler == "cosine":
            return CosineAnnealingLR(optimizer, num_epochs)
        return ConstantLR(optimizer, factor=1.0)

    def configure_optimizers(self) -> Optimizer | OptimizerLRSchedulerConfig:
        """Return the optimizer, and the schedule unless it is constant."""
        optimizer = self.make_optimizer(self.parameters())
        if self.scheduler == "constant":
            return optimizer
        num_epochs = self.trainer.max_epochs or 0
        _require(
            num_epochs > 0 or self.scheduler != "cosine",
            "a number of epochs for scheduler='cosine'",
            num_epochs,
            "Set max_epochs of the Trainer.",
        )
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer, num_epochs)}


def accuracies(right: Tensor, count: Tensor) -> dict[str, Tensor]:
    """Return accuracy, balanced accuracy and the worst class's accuracy; classes without samples do not count.

    Args:
        right: samples of each class that were classified right, shape (..., C).
        count: samples of each class, shape (C,).

    Example:
        >>> accuracies(torch.tensor([9, 0]), torch.tensor([9, 1]))
        {'accuracy': tensor(0.9000), 'balanced_accuracy': tensor(0.5000), 'worst_class_accuracy': tensor(0.)}
    """
    seen = count > 0
    by_class = right[..., seen] / count[seen]
    return {
        "accuracy": right.sum(-1) / count.sum(),
        "balanced_accuracy": by_class.mean(-1),
        "worst_class_accuracy": by_class.amin(-1),
    }


def _count_classes(network: nn.Module) -> int:
    for layer in reversed(list(network.modules())):
        width = getattr(layer, "out_features", None) or getattr(layer, "out_channels", None)
        if isinstance(width, int):
            return width
    raise ModelError(
        "a network whose last layer is linear or convolutional",
        type(network).__name__,
        "Pass num_classes to the Classifier.",
    )


def _require(condition: bool, expected: str, got: object, cure: str) -> None:
    if not condition:
        raise ModelError(expected, repr(got), cure)
