"""The LightningModule that trains a network to classify with whatever loss sits in ``loss_fn``."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_confusion_matrix

from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss, Outputs
from glo_lightning.models.network_module import Batch, NetworkModule, require_argument


class Classifier(NetworkModule):
    """A network, an optimizer and a replaceable training loss.

    Training minimises ``loss_fn``, cross-entropy until a callback puts a candidate there. Validation and test log
    ``val_accuracy``, ``val_balanced_accuracy`` (the mean over classes), ``val_worst_class_accuracy``, and cross-entropy
    as ``val_loss``, or ``test_accuracy`` and so on; never the candidate, so that scores of different losses compare.

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
        >>> import torch
        >>> from glo_lightning.models import mlp
        >>> model = Classifier(mlp(num_classes=3), learning_rate=0.1)
        >>> model.num_classes, model(torch.zeros(5, 64)).shape
        (3, torch.Size([5, 3]))
    """

    outputs: ClassVar[Outputs] = "softmax"

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
        super().__init__(
            network,
            CrossEntropyLoss(),
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
        self.num_classes = _count_classes(network) if num_classes is None else num_classes
        require_argument(self.num_classes >= 2, "num_classes of 2 or more", self.num_classes, "Count the labels.")
        self._totals: tuple[Tensor, Tensor] | None = None

    def _forget(self) -> None:
        self._totals = None

    def _collect(self, batch: Batch) -> None:
        inputs, target = batch
        logits = self(inputs)
        confusion = multiclass_confusion_matrix(logits, target, self.num_classes, validate_args=False)
        loss = cross_entropy(logits, target, reduction="none").float().sum()
        seen, lost = self._totals or self._nothing()
        self._totals = seen + confusion, lost + loss

    def _nothing(self) -> tuple[Tensor, Tensor]:
        """Return the totals of a rank without a batch."""
        counts = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64, device=self.device)
        return counts, torch.zeros((), dtype=torch.float32, device=self.device)  # as populations count

    def _log(self, split: str, prog_bar: bool = False) -> None:
        # Plain sums over batches and ranks: torchmetrics' objects would cost a short training more than they count.
        sums = (self.trainer.strategy.reduce(each, reduce_op="sum") for each in self._totals or self._nothing())
        confusion, loss = sums
        self._forget()
        count = confusion.sum(-1)
        metrics = {**accuracies(confusion.diagonal(), count), "loss": loss / count.sum()}
        self.log_dict({f"{split}_{name}": each for name, each in metrics.items()}, prog_bar=prog_bar, sync_dist=True)


def accuracies(right: Tensor, count: Tensor) -> dict[str, Tensor]:
    """Return accuracy, balanced accuracy and the worst class's accuracy; classes without samples do not count.

    Args:
        right: samples of each class that were classified right, shape (..., C).
        count: samples of each class, shape (C,).

    Example:
        >>> import torch
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
