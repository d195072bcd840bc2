"""Validate on adversarial inputs, too."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torchmetrics import MeanMetric

from glo_lightning.attacks import PixelSpace, examples_of, fgsm, is_right, parse_epsilon
from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.errors import ModelError

METRIC = "fgsm_accuracy"
"""What is logged, after ``val_`` or ``test_``."""


class AdversarialValidation(LeanCallback):
    """Logs the accuracy under FGSM as ``val_fgsm_accuracy`` and ``test_fgsm_accuracy``.

    Images are attacked in pixel space with cross-entropy, whatever loss the model trains with, so that none scores by
    hiding its own gradient. What trains networks that hide cross-entropy's scores all the same: the attacks of
    ``python -m glo_lightning.robustness`` tell whether what was found holds. A search for robust losses monitors
    ``val_fgsm_accuracy`` and adds this callback by itself unless the Trainer has one.

    Args:
        epsilon: largest change of a pixel, in [0, 1]; text such as ``"8/255"`` will do.

    Raises:
        SettingsError: if epsilon is outside its range.
        DataError: from ``fit``, if batches are not inputs and class indices, or the data module does not say what its
            images are normalised by.
        ModelError: from ``fit``, if the module has no ``forward``.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> trainer = Trainer(
        ...     max_epochs=2, accelerator="cpu", callbacks=[AdversarialValidation("8/255")], logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(Classifier(mlp()), DigitsDataModule())
        >>> bool(trainer.callback_metrics["val_fgsm_accuracy"] < trainer.callback_metrics["val_accuracy"])
        True

    Source: the objective of adversarially robust losses in arXiv:2010.00788, with epsilon 0.1.
    """

    def __init__(self, epsilon: float | str = 0.1) -> None:
        super().__init__()
        self.epsilon = parse_epsilon(epsilon)
        self._accuracy = MeanMetric()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a module that cannot be asked for logits."""
        if not is_overridden("forward", pl_module, LightningModule):
            raise ModelError(
                "a LightningModule whose forward returns the logits of its inputs",
                f"a {type(pl_module).__name__} without a forward",
                "Define forward(self, inputs), or train without AdversarialValidation.",
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self._accuracy.to(pl_module.device).reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch."""
        inputs, target = examples_of(batch)
        space = PixelSpace.of(trainer.datamodule)  # type: ignore[attr-defined]
        logits = pl_module(fgsm(pl_module, inputs, target, self.epsilon, space))
        self._accuracy.update(is_right(logits, target).float())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the accuracy over all batches and ranks."""
        pl_module.log(f"val_{METRIC}", self._accuracy.compute(), sync_dist=True)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self.on_validation_epoch_start(trainer, pl_module)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch."""
        self.on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the accuracy over all batches and ranks."""
        pl_module.log(f"test_{METRIC}", self._accuracy.compute(), sync_dist=True)
